// What bench/local.mjs needs of thaw beside the gateway, the server and the command line themselves.
export {hostOrt} from '../../test/onnxruntime.ts';
export {findMissingForDocker, openDocker} from '../../test/parts/docker.ts';
export {pathsOf, versionDir} from '../../src/providers/local/paths.ts';
export {planRun} from '../../src/providers/local/run-arguments.ts';
