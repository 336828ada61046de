import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { modelLayout } from '../../../proto/index.js';
import type { EngineOptions } from '../../../worker/engine/index.js';
import { createProcessEngine } from './engine-process.js';
import { disturbedParameters, emptyUpdate, makeShard, SMALL_MODEL } from './fixtures.js';

const options: EngineOptions = {
  model: SMALL_MODEL,
  shardBatch: 4,
  slots: 1,
  parameters: disturbedParameters(SMALL_MODEL, 1),
};

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves once no process has the id; the test's own deadline bounds the wait. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('an engine in a process of its own', () => {
  it('says in one line why the engine within is not to be had', async () => {
    await expect(createProcessEngine('tfjs-tensorflow', options)).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(
        /^TensorFlow\.js's tensorflow backend does not load .*tfjs-node-gpu[^\n]*$/,
      ) as string,
    });
  });

  it('fails what is asked of it when its process is gone, and closes all the same', async () => {
    const engine = await createProcessEngine('tfjs-cpu', options);
    process.kill(engine.pid!, 'SIGKILL');
    const { pixels, noise } = makeShard(SMALL_MODEL, 4, 1);
    const asked = () => engine.discriminatorHalf(0, pixels, noise, emptyUpdate(SMALL_MODEL, 'discriminator'));
    const expected = {
      code: 'engine-unavailable',
      message: 'the process of engine tfjs-cpu ended (SIGKILL)',
    };
    await gone(engine.pid!);
    await expect(asked()).rejects.toMatchObject(expected);
    await expect(asked()).rejects.toMatchObject(expected);
    await engine.close();
  });

  it('gives up on a process that does not come up in time', async () => {
    // Node alone takes longer to start.
    await expect(createProcessEngine('tfjs-cpu', options, { startMs: 1 })).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: 'the process of engine tfjs-cpu ended (SIGKILL)',
    });
  });

  it('gives the process its environment', async () => {
    const environment = { NODE_OPTIONS: '--import data:text/javascript,process.exit(7)' };
    await expect(createProcessEngine('tfjs-cpu', options, { environment })).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: 'the process of engine tfjs-cpu ended (exit status 7)',
    });
  });

  it('ends its process when it is closed', async () => {
    const engine = await createProcessEngine('tfjs-cpu', options);
    expect(isAlive(engine.pid!)).toBe(true);
    await engine.close();
    expect(isAlive(engine.pid!)).toBe(false);
    await engine.close();
  });

  it('leaves no process behind when its parent is killed', async () => {
    const script = `
      import { createProcessEngine } from '${new URL('./engine-process.ts', import.meta.url).href}';
      const model = ${JSON.stringify(SMALL_MODEL)};
      const parameters = new Float32Array(${modelLayout(SMALL_MODEL).parameterCount});
      const engine = await createProcessEngine('tfjs-cpu', { model, shardBatch: 4, slots: 1, parameters });
      console.log(engine.pid);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await gone(pid);
    expect(isAlive(pid)).toBe(false);
  });
});
