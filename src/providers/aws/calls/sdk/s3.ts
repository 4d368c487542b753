// The bundler gives a CommonJS package's exports their names only where they are imported statically.
export {S3} from '@aws-sdk/client-s3';
