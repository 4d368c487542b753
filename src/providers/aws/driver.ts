import {defineDriver, type Driver} from '../../core/driver.ts';
import {archiveFormOf} from './archive.ts';
import {createChecks, readPolicy} from './doctor/checks.ts';
import {createOpenAws, type TimeLimits} from './calls/clients.ts';
import {describeFunction} from './describe.ts';
import type {Have} from './inspect/have.ts';
import {inspectFunction} from './inspect/inspect.ts';
import {invokeFunction} from './live/invoke.ts';
import {limits} from './limits.ts';
import {readLogs} from './live/logs.ts';
import {SNAP_START_LABELS} from './names.ts';
import {createOps} from './ops/index.ts';
import {optionsSchema, parseOptions, type AwsOptions} from './wanted/options.ts';
import {planChill, planTidy} from './plan/chill.ts';
import {planDeploy} from './plan/deploy.ts';
import {planRollback} from './plan/rollback.ts';
import {planTeardown} from './plan/teardown.ts';
import {planWarm} from './plan/warm.ts';
import {prices} from './prices.ts';
import {readStartups} from './live/startup.ts';
import {triggerProblems} from './wanted/trigger-problems.ts';

/**
 * AWS Lambda as a provider: the image in ECR, versions, an alias that is live, and a URL.
 *
 * @param times how long AWS is waited for, where that shall be another time than usual
 */
export function createAwsDriver(times: Partial<TimeLimits> = {}): Driver {
  const openAws = createOpenAws(times);
  return defineDriver<AwsOptions, Have>({
    name: 'aws',
    preview: true,
    limits,
    optionsSchema,
    options: parseOptions,
    imageLabels: ({snapStart}) => (snapStart ? SNAP_START_LABELS : {}),
    archive: archiveFormOf,
    triggerProblems,
    inspect: (context, fn, options) => inspectFunction(openAws, context, fn, options),
    describe: describeFunction,
    plan: planDeploy,
    warm: planWarm,
    chill: planChill,
    tidy: planTidy,
    rollback: planRollback,
    teardown: planTeardown,
    ops: createOps(openAws),
    invoke: (context, deployment, request) => invokeFunction(openAws, context, deployment, request),
    startup: (context, deployment, query) => readStartups(openAws, context, deployment, query),
    logs: (context, deployment, query) => readLogs(openAws, context, deployment, query),
    checks: (fn, options) => createChecks(openAws, fn, options),
    policy: (context, fn, options) => readPolicy(openAws, context, fn, options),
    prices,
  });
}
