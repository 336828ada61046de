import { describe, expect, it } from 'vitest';
import { askedDevice, visibleGpus } from '../../../worker/engine/nvidia/index.js';

const GPUS = ['GPU-aa', 'GPU-ab', 'GPU-c', 'GPU-d'].map((uuid) => ({
  ...{ uuid, name: 'NVIDIA A100', computeCapability: 8 },
}));
const UUIDS = GPUS.map(({ uuid }) => uuid);
const asked = (text: string, usable = UUIDS): string => askedDevice(text, GPUS, 'onnx-cuda', usable);

describe('--device', () => {
  it.each([
    ['2', 'GPU-c'],
    ['GPU-d', 'GPU-d'],
    ['GPU-a', 'GPU-aa'],
    ['MIG-1f', 'MIG-1f'],
  ])('%s is %s', (text, uuid) => {
    expect(asked(text)).toBe(uuid);
  });

  it.each([
    [
      '4',
      UUIDS,
      /^--device 4: an NVIDIA GPU's number or UUID was expected; this host has 0 \(NVIDIA A100, GPU-aa\), 1/,
    ],
    ['a100', UUIDS, /number or UUID was expected/],
    ['-1', UUIDS, /number or UUID was expected/],
    ['1', ['GPU-aa'], /engine onnx-cuda cannot use NVIDIA A100 \(GPU-ab\); it can use GPU-aa/],
    ['1', [], /engine onnx-cuda uses no NVIDIA GPU here/],
  ])('%s of %s is refused in one line', (text, usable, message) => {
    expect(() => asked(text, usable)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) as string }),
    );
  });
});

describe('CUDA_VISIBLE_DEVICES', () => {
  it.each([
    [undefined, UUIDS],
    ['1,0', ['GPU-ab', 'GPU-aa']],
    ['GPU-c, 0', ['GPU-c', 'GPU-aa']],
    ['0,9,1', ['GPU-aa']],
    ['0,0', ['GPU-aa']],
    ['', []],
  ])('%s shows %s', (visible, expected) => {
    expect(visibleGpus(GPUS, visible).map(({ uuid }) => uuid)).toEqual(expected);
  });
});
