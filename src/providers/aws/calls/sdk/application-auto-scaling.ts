// The bundler gives a CommonJS package's exports their names only where they are imported statically.
export {ApplicationAutoScaling} from '@aws-sdk/client-application-auto-scaling';
