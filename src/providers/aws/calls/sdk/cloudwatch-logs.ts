// The bundler gives a CommonJS package's exports their names only where they are imported statically.
export {CloudWatchLogs} from '@aws-sdk/client-cloudwatch-logs';
