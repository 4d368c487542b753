import type {FunctionRef} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {FunctionSpec, Warmth} from '../../../core/function.ts';
import {formatDuration} from '../../../core/units.ts';
import {isDeployedTo, isMadeFor, isToAdopt, liveVersion} from '../inspect/findings.ts';
import type {FunctionFound, Have, Tags} from '../inspect/have.ts';
import {toAwsCron} from '../wanted/cron.ts';
import {OWN_VARIABLES, repositoryName, roleName} from '../names.ts';
import {managedRuntime, type ZipCode} from '../archive.ts';
import {refuseArchiveBucket} from './archive-bucket.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {isReference} from '../wanted/secrets.ts';
import {architectureOf} from '../wanted/settings.ts';
import {triggerProblems} from '../wanted/trigger-problems.ts';
import {isIn, wantedTriggers} from '../wanted/triggers.ts';

export type Refused = {readonly path: string; readonly message: string};

const NAME = /^[\w-]{1,64}$/;
const VARIABLE = /^[a-zA-Z]\w+$/;
/** Lambda sets these itself. */
const RESERVED =
  /^(AWS_(REGION|DEFAULT_REGION|EXECUTION_ENV|ACCESS_KEY(_ID)?|SECRET_ACCESS_KEY|SESSION_TOKEN|LAMBDA_.*)|LAMBDA_(TASK_ROOT|RUNTIME_DIR))$/;

/** @throws ThawError CONFIG_INVALID that names every setting that Lambda does not take */
export function refuseSettings(fn: FunctionSpec, {snapStart}: AwsOptions): void {
  refuse(fn.name, [
    ...(NAME.test(fn.name)
      ? []
      : [{path: 'name', message: `${fn.name} is not 1 to 64 letters, digits, - and _`}]),
    ...[...Object.keys(fn.env), ...Object.keys(fn.secrets)].flatMap((name) => {
      const path = Object.hasOwn(fn.env, name) ? `env.${name}` : `secrets.${name}`;
      if (!VARIABLE.test(name)) {
        return [{path, message: 'must be a letter, then one or more letters, digits and _'}];
      }
      if (RESERVED.test(name)) return [{path, message: 'is set by Lambda itself'}];
      return OWN_VARIABLES.includes(name) ? [{path, message: 'is set by thaw itself'}] : [];
    }),
    ...Object.entries(fn.secrets).flatMap(([name, source]) => {
      const message = `${source} is not env, ssm:/path, secretsmanager:name or secretsmanager:name#member`;
      return isReference(source) ? [] : [{path: `secrets.${name}`, message}];
    }),
    ...triggerProblems(fn.triggers).map(({path, message}) => ({path: path.join('.'), message})),
    ...runtimeProblems(fn),
    ...warmthProblems(fn.warm, fn.scaling.maxInstances),
    ...(snapStart ? snapStartProblems(fn.warm) : []),
  ]);
}

/** Lambda keeps no instances ready of a version that has a snapshot. */
function snapStartProblems({min, schedule}: Warmth): Refused[] {
  const path = min > 0 ? 'warm.min' : 'warm.schedule';
  const message = 'none can be kept ready where providers.aws.snapStart is true';
  return min > 0 || schedule.length > 0 ? [{path, message}] : [];
}

function runtimeProblems({archive}: FunctionSpec): Refused[] {
  if (archive === undefined || archive.runtime.kind !== 'python') return [];
  const {version, provided} = archive.runtime;
  const path = 'providers.aws.artifact';
  return [
    ...(managedRuntime(archive.runtime) === null
      ? [{path, message: `Lambda has no Python ${version} of its own that a zip archive could run on`}]
      : []),
    ...(provided.length > 0
      ? [
          {
            path,
            message: `a zip archive lacks what python.provided leaves to the base: ${provided.join(', ')}`,
          },
        ]
      : []),
  ];
}

/** @throws ThawError CONFIG_INVALID for warmth that Lambda does not take */
export function refuseWarmth(fn: FunctionRef, warm: Warmth, found: FunctionFound): void {
  refuse(fn.name, [
    ...warmthProblems(warm, found.reserved),
    ...(liveVersion(found)?.settings['options.snapStart'] === true ? snapStartProblems(warm) : []),
  ]);
}

function warmthProblems({min, schedule}: Warmth, most: number | null): Refused[] {
  const tooMany = (path: string, wanted: number): Refused[] =>
    most !== null && wanted > most
      ? [{path, message: `${wanted} cannot be kept ready where ${most} is the most there may be`}]
      : [];
  return [
    ...tooMany('warm.min', min),
    ...schedule.flatMap((window, index) => [
      ...tooMany(`warm.schedule.${index}.min`, window.min),
      ...(['up', 'down'] as const).flatMap((edge) =>
        toAwsCron(window[edge]) === null
          ? [
              {
                path: `warm.schedule.${index}.${edge}`,
                message: `${window[edge]}: AWS takes no day of the month and day of the week at once`,
              },
            ]
          : [],
      ),
    ]),
  ];
}

/** @throws ThawError CONFIG_INVALID that names all of it, if there is anything */
export function refuse(name: string, refused: readonly Refused[]): void {
  if (refused.length === 0) return;
  const all = refused.map(({path, message}) => `${path}: ${message}`).join('; ');
  const problems = refused.map(({path, message}) => ({path: path.split('.'), message}));
  throw new ThawError('CONFIG_INVALID', `${name} cannot be deployed to aws: ${all}`, {problems});
}

/** @throws ThawError CONFIG_INVALID that names every source of events that is not there, or that Lambda would not take */
export function refuseSources(fn: FunctionSpec, {account, triggers}: Have): void {
  const {mappings, buckets} = wantedTriggers(fn.name, fn.triggers, account);
  refuse(fn.name, [
    ...mappings.flatMap(({index, source, name, arn}): Refused[] => {
      const path = `triggers.${index}.${source}.name`;
      const queue = triggers.queues.find((each) => each.arn === arn);
      const hiddenMs = queue?.visibilityMs ?? null;
      const {timeoutMs} = fn.resources;
      const twin = mappings.find((each) => each.arn === arn && each.index < index);
      if (twin !== undefined)
        return [{path, message: `${name} calls the function already, by triggers.${twin.index}`}];
      if (!isIn(account, arn)) {
        return [
          {path, message: `${name} is in another region than the function, which is in ${account.region}`},
        ];
      }
      if (queue?.exists === false) return [{path, message: `there is no queue ${name} in ${account.region}`}];
      if (hiddenMs === null || hiddenMs >= timeoutMs) return [];
      const message = `messages of ${name} are hidden for ${formatDuration(hiddenMs)} while they are worked on, which must be resources.timeout or more: ${formatDuration(timeoutMs)}`;
      return [{path, message}];
    }),
    ...buckets.flatMap(({bucket, index}): Refused[] =>
      triggers.buckets.some((each) => each.bucket === bucket && !each.exists)
        ? [{path: `triggers.${index}.s3.name`, message: `there is no bucket ${bucket}`}]
        : [],
    ),
  ]);
}

/** @throws ThawError PROVIDER_CONFLICT if something has a name that thaw needs, and was not made by thaw */
export function refuseTaken({name}: FunctionRef, options: AwsOptions, have: Have): void {
  const taken = (what: string, resource: string, found: {readonly tags: Tags} | null): void => {
    if (found === null || isMadeFor(name, found)) return;
    const message = `a ${what} ${resource} is there already in ${have.account.region}, and thaw did not make it for ${name}`;
    throw new ThawError('PROVIDER_CONFLICT', message, {
      provider: 'aws',
      reason: 'taken',
      what,
      resource,
      function: name,
    });
  };
  if (have.fn !== null && !have.fn.ours && !isToAdopt(have.fn, options)) taken('function', name, have.fn);
  const adopts = have.fn !== null && isToAdopt(have.fn, options);
  if (options.role === null && !adopts) taken('role', roleName(name, have.account.region), have.role);
  refusePackageType(name, options, have);
  if (options.artifact === 'zip') return refuseArchiveBucket({name}, options, have);
  if (options.repository === null) {
    taken('repository', repositoryName(name), have.repository);
  } else if (have.ownRepository === null) {
    const {region} = have.account;
    const message = `there is no ECR repository ${options.repository} in ${region}`;
    const problems = [{path: ['providers', 'aws', 'repository'], message}];
    throw new ThawError('CONFIG_INVALID', message, {problems, provider: 'aws'});
  }
}

/** What a function is made of it stays made of. */
function refusePackageType(name: string, {artifact}: AwsOptions, {fn}: Have): void {
  if (fn === null || fn.state === 'Deleting' || (fn.packageType === 'Zip') === (artifact === 'zip')) return;
  const [is, wanted] = artifact === 'zip' ? ['an image', 'a zip archive'] : ['a zip archive', 'an image'];
  const message = `${name} is deployed as ${is}, which cannot become ${wanted}`;
  throw new ThawError('PROVIDER_CONFLICT', message, {
    provider: 'aws',
    reason: 'package-type',
    function: name,
    ours: fn.ours,
    artifact: artifact === 'zip' ? 'image' : 'zip',
  });
}

/** @throws ThawError PROVIDER_CONFLICT if new code alone would not run in a function as it is */
export function refuseAdoption(
  {name, platform}: FunctionSpec,
  {snapStart}: AwsOptions,
  fn: FunctionFound,
  zip: ZipCode | null,
): void {
  const architecture = architectureOf(platform);
  const refused = (what: string): never => {
    throw new ThawError('PROVIDER_CONFLICT', `${name} cannot be given new code alone: ${what}`, {
      provider: 'aws',
      reason: 'adopt',
      function: name,
    });
  };
  const told = (path: string): string => {
    const value = fn.latest[path];
    return typeof value === 'string' ? value : 'nothing';
  };
  if (told('platform') !== architecture) {
    refused(`it is for ${told('platform')}, and the image is for ${architecture}`);
  }
  if (fn.startsOtherwise) refused('its own settings override the entry point of images');
  if (fn.latest['options.snapStart'] === true && !snapStart) {
    refused('its instances go on from snapshots, and the code is not made for that');
  }
  if (zip === null) return;
  if (told('handler') !== zip.handler) {
    refused(`it calls ${told('handler')}, and what thaw makes is called at ${zip.handler}`);
  }
  // Any Node that Lambda still has will do.
  const isNode = (runtime: string): boolean => runtime.startsWith('nodejs');
  const fits = told('runtime') === zip.runtime || (isNode(told('runtime')) && isNode(zip.runtime));
  if (!fits) refused(`it runs on ${told('runtime')}, and the code needs ${zip.runtime}`);
}

/** @throws ThawError NOT_DEPLOYED */
export function deployed(
  ref: FunctionRef,
  options: AwsOptions,
  have: Have,
): FunctionFound & {readonly live: string} {
  const {fn} = have;
  if (fn !== null && fn.live !== null && isDeployedTo(fn, options)) return {...fn, live: fn.live};
  throw notDeployed(ref, have);
}

export const notDeployed = ({name}: FunctionRef, {account}: Have): ThawError =>
  new ThawError('NOT_DEPLOYED', `${name} is not deployed to aws in ${account.region}`, {
    provider: 'aws',
    function: name,
  });
