import type {PackagePin} from '../core/ports.ts';

/** The ONNX Runtime that thaw measures with and serves with. */
export const ONNX_RUNTIME: PackagePin = {
  name: 'onnxruntime-node',
  version: '1.30.0',
  integrity:
    'sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==',
};

/** Size of the package's archive: what a fetch moves, whatever it keeps. */
export const ONNX_RUNTIME_ARCHIVE_BYTES = 113_507_888;

/** An operating system and CPU that the package has binaries for, named as OCI names platforms. */
export type OnnxRuntimeTarget =
  'linux/amd64' | 'linux/arm64' | 'darwin/arm64' | 'windows/amd64' | 'windows/arm64';

/** Where the files of one target lie in the package, and which of them inference on a CPU needs. */
export interface OnnxRuntimeFiles {
  readonly folder: string;
  /** Left out: DirectML and the shader compilers on Windows, the second copy of the library on macOS. */
  readonly files: readonly string[];
}

const BINDING = 'onnxruntime_binding.node';

export const ONNX_RUNTIME_FILES: {readonly [T in OnnxRuntimeTarget]: OnnxRuntimeFiles} = {
  'linux/amd64': {folder: 'bin/napi-v6/linux/x64', files: [BINDING, 'libonnxruntime.so.1']},
  'linux/arm64': {folder: 'bin/napi-v6/linux/arm64', files: [BINDING, 'libonnxruntime.so.1']},
  'darwin/arm64': {folder: 'bin/napi-v6/darwin/arm64', files: [BINDING, 'libonnxruntime.1.dylib']},
  'windows/amd64': {folder: 'bin/napi-v6/win32/x64', files: [BINDING, 'onnxruntime.dll']},
  'windows/arm64': {folder: 'bin/napi-v6/win32/arm64', files: [BINDING, 'onnxruntime.dll']},
};

/** ONNX Runtime's binaries and Node's own are built against this glibc. */
export const GLIBC_MIN = '2.28';
