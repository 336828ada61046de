import { describe, expect, it } from 'vitest';
import { workerCount } from '../../../deploy/local/worker-count.js';
import type { EngineName } from '../../../worker/index.js';

const engine = (name: EngineName, cards = 0) => ({
  ...{ name, usable: true, reason: '' },
  devices: Array.from({ length: cards }, (_, i) => `GPU-${i}`),
});

describe('the workers of a local cluster', () => {
  it.each([
    [undefined, engine('onnx-cpu'), 2],
    [7, engine('onnx-cpu'), 7],
    [undefined, engine('onnx-cuda', 4), 4],
    [3, engine('onnx-cuda', 4), 3],
    [undefined, engine('onnx-webgpu'), 1],
    [2, engine('onnx-webgpu'), 2],
  ])('%s asked for, with %s: %d', (asked, probe, expected) => {
    expect(workerCount(asked, probe)).toBe(expected);
  });

  it('are no more than there are cards', () => {
    expect(() => workerCount(6, engine('onnx-cuda', 4))).toThrow(
      '--workers 6: a worker has a GPU of its own, and this host has 4 GPUs that onnx-cuda can use: take at most 4',
    );
    expect(() => workerCount(2, engine('tfjs-tensorflow', 1))).toThrow('has one GPU that tfjs-tensorflow');
  });
});
