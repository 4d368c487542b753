// The bundler gives a CommonJS package's exports their names only where they are imported statically.
export {IAM} from '@aws-sdk/client-iam';
