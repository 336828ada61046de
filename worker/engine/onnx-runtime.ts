import { createRequire } from 'node:module';
import type * as onnxruntime from 'onnxruntime-node';
import { messageOf, OperationalError } from '../../proto/index.js';

export type OnnxRuntime = typeof onnxruntime;
export type OnnxProvider = 'cpu' | 'cuda' | 'webgpu';
export type InferenceSession = onnxruntime.InferenceSession;
export type TypedTensor<T extends keyof onnxruntime.Tensor.DataTypeMap> = onnxruntime.TypedTensor<T>;

/** A CommonJS package: its exports are seen alike by every module loader only through `require`. */
const require = createRequire(import.meta.url);

/**
 * Loads ONNX Runtime's Node binding, which is native code.
 * Throws OperationalError('engine-unavailable') where it is missing or made for another platform.
 */
export function loadOnnxRuntime(
  load: () => OnnxRuntime = () => require('onnxruntime-node') as OnnxRuntime,
): OnnxRuntime {
  try {
    const runtime = load();
    // What fails is thrown; without this it is printed first as well, several lines of it.
    runtime.env.logLevel = 'fatal';
    return runtime;
  } catch (cause) {
    throw new OperationalError('engine-unavailable', loadFailure(cause), { cause });
  }
}

function loadFailure(cause: unknown): string {
  const [firstLine = ''] = messageOf(cause).split('\n');
  const here = `${process.platform}-${process.arch}`;
  if (/Cannot find (module|package) '?onnxruntime-(node|common)/.test(firstLine)) {
    return 'onnxruntime-node is not installed: run `npm ci`';
  }
  return (
    `onnxruntime-node's native library does not load on ${here} (${firstLine}): ` +
    'node_modules may have been made for another platform; run `npm ci` on this machine'
  );
}
