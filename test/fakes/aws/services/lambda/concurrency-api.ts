import type * as Lambda from '@aws-sdk/client-lambda';
import {pageOf, type Cloud, type Handlers} from '../../cloud.ts';
import {Refusal} from '../../refusal.ts';
import {functionArn, parseTarget, type Target} from './names.ts';
import type {FunctionRecord, Functions, Provisioned, Version} from './state.ts';

/** So much must be left to functions that reserve nothing; all, where the account has no more. */
const UNRESERVED_MIN = 100;

/** What provisioned concurrency really has. */
export interface Kept {
  /** Called when there shall be more or fewer. */
  readonly onChange: (fn: FunctionRecord) => void;
  /** How many sandboxes of a version are ready; Infinity where nothing runs at all. */
  readonly ready: (fn: FunctionRecord, version: Version) => number;
  /** Whether a sandbox of a version could not start. */
  readonly failed: (fn: FunctionRecord, version: Version) => boolean;
}

/** Reserved and provisioned concurrency. */
export function concurrencyApi(functions: Functions, cloud: Cloud, kept: Kept): Handlers {
  const {account, clock, paces, pageSize} = cloud;
  const invalid = (message: string): Refusal => new Refusal('InvalidParameterValueException', message);

  const spokenFor = (but: string): number =>
    [...functions.all.values()].reduce((sum, fn) => {
      const provisioned = [...fn.provisioned].reduce(
        (all, [key, {requested}]) => all + (`${fn.name}:${key}` === but ? 0 : requested),
        0,
      );
      const reserved = fn.name === but ? 0 : (fn.reserved ?? 0);
      return sum + Math.max(reserved, provisioned);
    }, 0);

  const checkUnreserved = (wanted: number, but: string): void => {
    const least = Math.min(UNRESERVED_MIN, account.concurrency);
    if (account.concurrency - spokenFor(but) - wanted >= least) return;
    throw invalid(
      `Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${least}].`,
    );
  };

  /** A published version, or an alias of one. */
  const published = (target: Target): {readonly fn: FunctionRecord; readonly key: string} => {
    const fn = functions.find(target);
    const key = target.qualifier ?? '$LATEST';
    if (functions.version(fn, target.qualifier) === fn.latest) {
      throw invalid('Provisioned Concurrency Configs cannot be applied to unpublished function versions.');
    }
    return {fn, key};
  };

  const find = (fn: FunctionRecord, key: string): Provisioned => {
    const found = fn.provisioned.get(key);
    if (found !== undefined) return found;
    throw new Refusal(
      'ProvisionedConcurrencyConfigNotFoundException',
      'No Provisioned Concurrency Config found for this function',
    );
  };

  const render = (fn: FunctionRecord, key: string) => {
    const {requested, sinceMs, modifiedMs} = find(fn, key);
    const version = functions.version(fn, key);
    const isTime = clock.now() - sinceMs >= paces.provisionMs && functions.stateOf(version) === 'Active';
    const ready = Math.min(requested, kept.ready(fn, version));
    const allocated = isTime ? ready : 0;
    const failed = isTime && allocated < requested && kept.failed(fn, version);
    const status: Lambda.ProvisionedConcurrencyStatusEnum =
      allocated === requested ? 'READY' : failed ? 'FAILED' : 'IN_PROGRESS';
    return {
      RequestedProvisionedConcurrentExecutions: requested,
      AvailableProvisionedConcurrentExecutions: allocated,
      AllocatedProvisionedConcurrentExecutions: allocated,
      Status: status,
      // serverless/serverless#7250
      ...(failed && {StatusReason: 'FUNCTION_ERROR_INIT_FAILURE'}),
      LastModified: new Date(modifiedMs).toISOString().replace('Z', '+0000'),
    };
  };

  return {
    PutFunctionConcurrency(input: Lambda.PutFunctionConcurrencyRequest): Lambda.Concurrency {
      const {ReservedConcurrentExecutions: wanted = 0} = input;
      const fn = functions.find(parseTarget(input.FunctionName));
      if (wanted < 0)
        throw new Refusal('ValidationException', 'ReservedConcurrentExecutions must not be negative');
      checkUnreserved(wanted, fn.name);
      fn.reserved = wanted;
      return {ReservedConcurrentExecutions: wanted};
    },
    GetFunctionConcurrency(
      input: Lambda.GetFunctionConcurrencyRequest,
    ): Lambda.GetFunctionConcurrencyResponse {
      const {reserved} = functions.find(parseTarget(input.FunctionName));
      return reserved === null ? {} : {ReservedConcurrentExecutions: reserved};
    },
    DeleteFunctionConcurrency(input: Lambda.DeleteFunctionConcurrencyRequest): void {
      functions.find(parseTarget(input.FunctionName)).reserved = null;
    },

    PutProvisionedConcurrencyConfig(
      input: Lambda.PutProvisionedConcurrencyConfigRequest,
    ): Lambda.PutProvisionedConcurrencyConfigResponse {
      const {ProvisionedConcurrentExecutions: wanted = 0} = input;
      const {fn, key} = published(parseTarget(input.FunctionName, input.Qualifier));
      if (wanted < 1) {
        throw new Refusal(
          'ValidationException',
          `1 validation error detected: Value '${wanted}' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1`,
        );
      }
      const version = functions.version(fn, key);
      // hashicorp/terraform-provider-aws#48116
      if (fn.aliases.get(key)?.routing !== undefined || functions.movedFrom(fn, key) !== null) {
        throw invalid('Alias with weights can not be used with Provisioned Concurrency');
      }
      if (version.configuration.snapStart === 'PublishedVersions') {
        throw invalid('Provisioned Concurrency is not supported for functions with SnapStart enabled.');
      }
      const twice = [...fn.provisioned.keys()].some(
        (other) => other !== key && functions.version(fn, other) === version,
      );
      if (twice) {
        throw invalid(
          'Alias can not be used for Provisioned Concurrency configuration on an already Provisioned version',
        );
      }
      if (fn.reserved !== null) {
        if (wanted > fn.reserved) {
          throw invalid(
            'Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function',
          );
        }
      } else checkUnreserved(wanted, `${fn.name}:${key}`);
      const now = clock.now();
      const before = fn.provisioned.get(key);
      // hashicorp/terraform-provider-aws#13967
      if (before !== undefined && render(fn, key).Status === 'IN_PROGRESS') {
        throw new Refusal(
          'ResourceConflictException',
          'A previous request is being processed. Please try again shortly',
        );
      }
      if (before === undefined) {
        fn.provisioned.set(key, {requested: wanted, sinceMs: now, modifiedMs: now});
      } else {
        // Fewer are there at once.
        if (wanted > before.requested) before.sinceMs = now;
        before.requested = wanted;
        before.modifiedMs = now;
      }
      kept.onChange(fn);
      return render(fn, key);
    },
    GetProvisionedConcurrencyConfig(
      input: Lambda.GetProvisionedConcurrencyConfigRequest,
    ): Lambda.GetProvisionedConcurrencyConfigResponse {
      const {fn, key} = published(parseTarget(input.FunctionName, input.Qualifier));
      return render(fn, key);
    },
    DeleteProvisionedConcurrencyConfig(input: Lambda.DeleteProvisionedConcurrencyConfigRequest): void {
      const {fn, key} = published(parseTarget(input.FunctionName, input.Qualifier));
      fn.provisioned.delete(key);
      kept.onChange(fn);
    },
    ListProvisionedConcurrencyConfigs(
      input: Lambda.ListProvisionedConcurrencyConfigsRequest,
    ): Lambda.ListProvisionedConcurrencyConfigsResponse {
      const fn = functions.find(parseTarget(input.FunctionName));
      const {page, next} = pageOf([...fn.provisioned.keys()], input.Marker, input.MaxItems, pageSize);
      return {
        NextMarker: next,
        ProvisionedConcurrencyConfigs: page.map((key) => ({
          FunctionArn: functionArn(account, fn.name, key),
          ...render(fn, key),
        })),
      };
    },
  };
}
