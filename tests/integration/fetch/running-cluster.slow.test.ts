import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Fetched } from '../../../deploy/fetch/index.js';
import { OperationalError } from '../../../proto/index.js';
import { ganCluster, readRunFile, temporaryFolder } from '../cluster/gan-cluster.js';
import { FILES, bitsOf, bytesOf, fetchNewest, provenanceOf, trainAlone, training } from './training.js';

const STEPS = 600;

const QUESTIONS = 4;

describe('the newest generator of a cluster that trains', () => {
  it('is given to all who ask, is that of its step bit for bit, and changes nothing of the run', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'asked');
    const { run, url } = await training(['--workers', '2', '--steps', String(STEPS), '--out', out]);
    const fetched: (Fetched & { readonly to: string })[] = [];
    const askAgainAndAgain = async (who: number): Promise<void> => {
      for (let i = 0; i < QUESTIONS; i++) {
        const to = join(folder, `fetched-${who}-${i}`);
        const what = await fetchNewest(url, to, { waitMs: 10_000 }).catch((error: unknown) => {
          if (!(error instanceof OperationalError)) throw error; // it has ended meanwhile
        });
        if (what?.kind !== 'newest') continue;
        expect(provenanceOf(to)).toMatchObject({ step: String(what.step), state_sha256: what.stateSha256 });
        const { outcome, stepsDone, files } = readRunFile(to);
        expect([outcome, stepsDone, files.length]).toEqual(['running', what.step, FILES.length]);
        fetched.push({ ...what, to });
      }
    };
    await Promise.all([askAgainAndAgain(0), askAgainAndAgain(1)]);
    expect(await run.finished).toMatchObject({ status: 0, stderr: '' });
    // One export is for all who ask soon.
    const steps = [...new Set(fetched.map(({ step }) => step))];
    expect(steps.length).toBeGreaterThan(0);
    expect(fetched.length).toBeGreaterThan(steps.length);
    expect(existsSync(join(out, '.newest'))).toBe(false);

    expect(bitsOf(out)).toEqual(bitsOf(await trainAlone(join(folder, 'undisturbed'), STEPS)));
    const [first] = fetched;
    const again = await trainAlone(join(folder, 'to-that-step'), first?.step ?? 0);
    expect(bytesOf(first?.to ?? '')).toEqual(bytesOf(again));
    expect(readRunFile(again).stateSha256).toBe(first?.stateSha256);
  });

  it('comes although the worker that exports it is killed in the middle, and the run keeps its bits', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'killed');
    const record = join(folder, 'fired');
    const kill = (who: string): object => ({ id: who, who, point: 'in-export', update: 0, action: 'kill' });
    const { run, url } = await training(['--workers', '2', '--steps', String(STEPS), '--out', out], {
      GAN_FAULTS: JSON.stringify([kill('worker-0'), kill('worker-1')]),
      GAN_FAULTS_FIRED: record,
    });
    const to = join(folder, 'fetched');
    const { kind, step, stateSha256 } = await fetchNewest(url, to, { waitMs: 60_000 });
    const [fired = '{}'] = readFileSync(record, 'utf8').split('\n');
    expect((JSON.parse(fired) as { update: number }).update).toBeLessThan(2 * STEPS);
    if (kind === 'newest')
      expect(provenanceOf(to)).toMatchObject({ step: String(step), state_sha256: stateSha256 });
    const end = await run.finished;
    expect(end).toMatchObject({ status: 0, stderr: '' });
    expect(end.stdout).toContain('killed by SIGKILL');
    const whole = join(folder, 'whole');
    expect(bitsOf(out)).toEqual(bitsOf(await trainAlone(whole, STEPS)));
  });

  it('has the discriminator with it, as the result has, where that is asked for', async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'run');
    const names = [
      'discriminator-model.json',
      'discriminator-weights.bin',
      'discriminator.onnx',
      'discriminator.safetensors',
    ];
    const { run, url } = await training([
      '--workers',
      '1',
      '--steps',
      '300',
      '--out',
      out,
      '--discriminator',
    ]);
    const to = join(folder, 'fetched');
    await fetchNewest(url, to, { discriminator: true });
    expect(readdirSync(to)).toEqual(expect.arrayContaining([...names, ...FILES]));
    expect(await run.finished).toMatchObject({ status: 0 });
    const listed = readRunFile(out).files.map(({ name }) => name);
    expect(listed).toEqual(expect.arrayContaining([...names, ...FILES]));
    // A run that is done gets them when it is resumed for that, and keeps what it has.
    const without = join(folder, 'without');
    await trainAlone(without, 20);
    const before = bitsOf(without);
    expect(existsSync(join(without, 'discriminator.onnx'))).toBe(false);
    const resumed = ['train', '--resume', '--data', 'synthetic', '--out', without, '--discriminator'];
    expect(await ganCluster(resumed)).toMatchObject({ status: 0 });
    expect(readRunFile(without).files.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    expect(bitsOf(without)).toEqual(before);
  });

  it('is refused where the folder cannot be written to, and the run does not notice', async () => {
    const folder = temporaryFolder();
    const { run, url } = await training([
      '--workers',
      '1',
      '--steps',
      '100000',
      '--out',
      join(folder, 'run'),
    ]);
    writeFileSync(join(folder, 'file'), '');
    const wrong = ['fetch', '--newest', '--url', url, '--out', join(folder, 'file', 'generator')];
    const { status, stderr } = await ganCluster(wrong);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: --out: [^\n]+ cannot be made: [^\n]+\n$/);
    run.interrupt();
    expect((await run.finished).status).toBe(130);
  });
});
