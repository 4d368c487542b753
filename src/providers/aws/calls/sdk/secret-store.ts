// The bundler gives a CommonJS package's exports their names only where they are imported statically.
export {SecretsManager} from '@aws-sdk/client-secrets-manager';
