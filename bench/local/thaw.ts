// What bench/local.mjs needs of thaw beside the gateway and the server themselves.
export {hostOrt} from '../../test/onnxruntime.ts';
export {pathsOf, versionDir} from '../../src/providers/local/paths.ts';
