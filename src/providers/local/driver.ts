import {defineDriver, type Driver} from '../../core/driver.ts';
import {checks} from './checks.ts';
import {askGateway} from './control.ts';
import {describeFunction} from './describe.ts';
import type {Have} from './have.ts';
import {followRequests} from './follow-requests.ts';
import {inspectFunction} from './inspect.ts';
import {limits} from './limits.ts';
import {ops} from './ops.ts';
import {optionsSchema, parseOptions, type LocalOptions} from './options.ts';
import {pathsOf} from './paths.ts';
import {planChill, planDeploy, planRollback, planTeardown, planTidy, planWarm} from './planner.ts';
import type {StartupAnswer} from './protocol.ts';
import {readLogs} from './read-logs.ts';

/** This machine as a provider: a gateway in the background that does what a platform for functions does. */
export const localDriver: Driver = defineDriver<LocalOptions, Have>({
  name: 'local',
  preview: false,
  limits,
  optionsSchema,
  options: parseOptions,
  imageLabels: () => ({}),
  inspect: inspectFunction,
  describe: describeFunction,
  plan: planDeploy,
  warm: (fn, _options, have, wish) => planWarm(fn, have, wish),
  chill: (fn, _options, have) => planChill(fn, have),
  tidy: planTidy,
  rollback: (fn, _options, have, to) => planRollback(fn, have, to),
  teardown: (fn, _options, have) => planTeardown(fn, have),
  ops,
  invoke: (context, deployment, {body, contentType, timeoutMs, keepConnection = false}) =>
    context.ports.http({
      url: deployment.url,
      method: 'POST',
      headers: {'content-type': contentType},
      body,
      timeoutMs,
      signal: context.signal,
      freshConnection: !keepConnection,
    }),
  startup: async (context, deployment, {bootIds}) => {
    const paths = pathsOf(context.stateDir, deployment.function);
    const answer = await askGateway<StartupAnswer>(context, paths, 'POST', '/startup', {bootIds});
    return answer?.records ?? [];
  },
  logs: async function* (context, deployment, query) {
    const paths = pathsOf(context.stateDir, deployment.function);
    // The log can be read when the gateway is gone as well.
    await askGateway(context, paths, 'POST', '/log/flush');
    yield* query.follow && query.requests
      ? followRequests(context, paths, query)
      : readLogs(context, paths, query);
  },
  checks: () => checks,
  prices: {
    currency: 'USD',
    asOf: '2026-11-23',
    source: 'this machine',
    rates: {request: 0, instanceSecond: 0},
  },
});
