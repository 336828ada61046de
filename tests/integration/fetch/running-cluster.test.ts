import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Fetched } from '../../../deploy/fetch/index.js';
import { OperationalError } from '../../../proto/index.js';
import { readRunFile, temporaryFolder } from '../cluster/gan-cluster.js';
import { FILES, bitsOf, bytesOf, fetchNewest, provenanceOf, trainAlone, training } from './training.js';

const STEPS = 500;
const QUESTIONS = 4;

describe('the newest generator of a cluster that trains', { timeout: 240_000 }, () => {
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
});
