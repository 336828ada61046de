import type { Engine, EngineName, EngineOptions } from './engine.js';
import { requireCudaEnvironment } from './nvidia/index.js';

/**
 * Creates an engine that computes on the calling thread and blocks its event loop while it does. Each family is loaded
 * only when it is asked for.
 * Throws OperationalError('engine-unavailable') in words where it is not to be had.
 */
export async function createEngineInThread(name: EngineName, options: EngineOptions): Promise<Engine> {
  if (name === 'onnx-cuda') requireCudaEnvironment(name, process.env);
  switch (name) {
    case 'onnx-cpu':
    case 'onnx-cuda':
    case 'onnx-webgpu': {
      const [{ OnnxEngine }, { loadOnnxRuntime }] = await Promise.all([
        import('./onnx/index.js'),
        import('./onnx-runtime.js'),
      ]);
      const provider = ({ 'onnx-cpu': 'cpu', 'onnx-cuda': 'cuda', 'onnx-webgpu': 'webgpu' } as const)[name];
      return OnnxEngine.create(name, provider, loadOnnxRuntime(), options);
    }
    case 'tfjs-wasm':
    case 'tfjs-cpu':
    case 'tfjs-tensorflow': {
      const { TfjsEngine } = await import('./tfjs/index.js');
      const backend = ({ 'tfjs-wasm': 'wasm', 'tfjs-cpu': 'cpu', 'tfjs-tensorflow': 'tensorflow' } as const)[
        name
      ];
      return TfjsEngine.create(name, backend, options);
    }
  }
}
