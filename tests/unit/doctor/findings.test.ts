import { describe, expect, it } from 'vitest';
import {
  dockerFinding,
  gpuFinding,
  isAtLeast,
  lineOf,
  machineFinding,
  mnistFinding,
  nodeFinding,
  untriedFinding,
} from '../../../deploy/doctor/findings.js';
import { askTool, type ToolAnswer } from '../../../deploy/doctor/tool-version.js';

const said = (text: string): ToolAnswer => ({ kind: 'said', text });

describe('versions', () => {
  it.each([
    ['v20.19.0', true],
    ['v20.18.9', false],
    ['22.1', true],
    ['v9.99.0', false],
    ['20.19.3-nightly', true],
    ['rubbish', false],
  ])('%s against 20.19: %s', (version, expected) => expect(isAtLeast(version, [20, 19])).toBe(expected));
});

describe('the doctor', () => {
  it('says what to do about an old Node, which keeps all from running', () => {
    expect(nodeFinding('v18.0.0', 'linux', 'x64').state).toBe('needed');
    expect(lineOf(nodeFinding('v18.0.0', 'linux', 'x64'))).toBe(
      'node: MISSING: v18.0.0 on linux x64; install Node 20.19 or newer',
    );
  });

  it('finds Docker only with an engine that answers and a Compose that is new enough', () => {
    expect(dockerFinding(said('27.1'), said('2.26.0'))).toMatchObject({ state: 'ok' });
    expect(lineOf(dockerFinding(said('27.1'), said('v2.20.3')))).toMatch(/update Compose to 2.26 or newer$/);
    expect(lineOf(dockerFinding({ kind: 'missing' }, { kind: 'missing' }))).toMatch(
      /not found; install Docker/,
    );
    const down: ToolAnswer = { kind: 'failed', why: 'Cannot connect to the Docker daemon' };
    expect(lineOf(dockerFinding(down, said('2.26.0')))).toMatch(/does not answer \(Cannot connect/);
    expect(dockerFinding(said('27.1'), { kind: 'failed', why: '' }).found).toMatch(/without Compose/);
  });

  it('names the card and its driver', () => {
    expect(lineOf(gpuFinding(said('NVIDIA A100, 550.54, 81920 MiB')))).toBe(
      'nvidia gpu: NVIDIA A100, 550.54, 81920 MiB',
    );
    expect(gpuFinding({ kind: 'missing' })).toMatchObject({ state: 'optional' });
    expect(gpuFinding({ kind: 'failed', why: 'driver mismatch' }).found).toContain('driver mismatch');
  });

  it('names what has not yet run on hardware', () => {
    expect(lineOf(untriedFinding(['onnx-cuda', 'onnx-webgpu']))).toMatch(
      /^never run on hardware: onnx-cuda, onnx-webgpu; .*made-up cards only; .*npm run test:gpu/,
    );
    expect(untriedFinding([])).toMatchObject({ state: 'ok' });
  });

  it('tells of little room, and where MNIST is', () => {
    expect(machineFinding(1, 2 ** 32, 2 ** 31)).toMatchObject({
      state: 'ok',
      found: expect.stringMatching(/^1 core, 4/) as string,
    });
    expect(machineFinding(2, 2 ** 32, 2 ** 20)).toMatchObject({ state: 'optional' });
    expect(mnistFinding(true).found).toBe('in the cache');
    expect(mnistFinding(false).found).toMatch(/downloaded by the first run/);
  });

  it('asks real programs: one that is there, one that is not, one that fails', async () => {
    expect(await askTool(process.execPath, ['--version'])).toEqual(said(process.version));
    expect(await askTool('no-such-program-here', [])).toEqual({ kind: 'missing' });
    expect(await askTool(process.execPath, ['-e', 'console.error("why"); process.exit(3)'])).toEqual({
      kind: 'failed',
      why: 'why',
    });
  });
});
