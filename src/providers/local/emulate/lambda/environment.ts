import type {Launch} from '../../engine.ts';

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';

/** The environment of an instance, as Lambda gives it; region and time zone may be declared. */
export function lambdaEnvironment(launch: Launch, runtimeApi: string): {[name: string]: string} {
  const name = launch.emulation?.function ?? '';
  const version = launch.emulation?.version ?? '';
  const region = regionOf(launch);
  return {
    TZ: ':UTC',
    LANG: 'en_US.UTF-8',
    ...launch.env,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(launch.memoryMb),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `[${version}]${launch.id}`,
    LAMBDA_TASK_ROOT: '/var/task',
    LAMBDA_RUNTIME_DIR: '/var/runtime',
  };
}

/** What the function is called in AWS's own way. */
export const functionArn = (launch: Launch): string =>
  `arn:aws:lambda:${regionOf(launch)}:${ACCOUNT}:function:${launch.emulation?.function ?? ''}`;

const regionOf = ({env}: Launch): string => env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? REGION;
