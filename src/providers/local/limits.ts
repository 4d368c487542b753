import type {Limits} from '../../core/driver.ts';

/** The largest body that a function takes. */
export const requestBytesMax = 32 * 2 ** 20;

/** What local can do. Amounts that nothing enforces here are as large as any provider's. */
export const limits: Limits = {
  memoryMb: {min: 1, max: 1_048_576},
  timeoutMs: {max: 3_600_000},
  concurrency: {min: 1, max: 1000},
  maxInstances: {min: 1, max: 1000},
  cpu: {min: 0.01, max: 1000},
  // Model, handler and configuration are the same on every platform, and the interpreter is this machine's own.
  platforms: ['linux/amd64', 'linux/arm64'],
  imageBytes: {compressed: null, unpacked: null},
  requestBytes: requestBytesMax,
  // Nobody but this machine can reach the port, so nobody is asked who they are.
  auth: ['iam', 'none'],
  triggers: {http: []},
  secretStores: [],
  scaleToZero: true,
  warm: {min: true, schedule: false},
  whenFull: 'wait',
  forceCold: 'chill',
  rollback: true,
  snapshots: false,
  runsImage: false,
};
