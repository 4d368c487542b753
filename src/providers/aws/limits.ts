import type {Limits} from '../../core/driver.ts';
import {SECRET_STORES} from './wanted/secrets.ts';

/** What AWS Lambda takes, by its documentation of 2026. */
export const limits: Limits = {
  memoryMb: {min: 128, max: 10_240},
  timeoutMs: {max: 900_000},
  concurrency: {min: 1, max: 1},
  maxInstances: {min: 1, max: 100_000},
  cpu: null,
  platforms: ['linux/amd64', 'linux/arm64'],
  imageBytes: {compressed: null, unpacked: 10 * 2 ** 30},
  requestBytes: 6 * 2 ** 20,
  auth: ['iam', 'none'],
  triggers: {
    http: [],
    schedule: ['input'],
    s3: ['suffix', 'events'],
    sqs: ['batchSize', 'batchWindowMs', 'maximumConcurrency', 'filter'],
    kinesis: ['batchSize', 'batchWindowMs', 'startingPosition', 'filter'],
    dynamodb: ['batchSize', 'batchWindowMs', 'startingPosition', 'filter'],
  },
  secretStores: SECRET_STORES,
  scaleToZero: true,
  warm: {min: true, schedule: true},
  whenFull: 'refuse',
  forceCold: 'chill',
  rollback: true,
  snapshots: true,
  runsImage: true,
};
