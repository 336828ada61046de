import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readRunFile, temporaryFolder } from '../cluster/gan-cluster.js';
import { FILES, fetchNewest, provenanceOf, training } from './training.js';

/** More than a fetch takes. */
const STEPS = 700;

it(
  'a cluster that trains gives its newest generator out, and goes on to its end',
  { timeout: 120_000 },
  async () => {
    const folder = temporaryFolder();
    const out = join(folder, 'run');
    const { run, url } = await training(['--workers', '2', '--steps', String(STEPS), '--out', out]);
    const to = join(folder, 'fetched');
    const fetched = await fetchNewest(url, to);
    expect(fetched).toMatchObject({ kind: 'newest', steps: STEPS });
    expect(fetched.step).toBeGreaterThan(0);
    expect(fetched.files.map(({ name }) => name)).toEqual([...FILES, 'run.json']);
    expect(provenanceOf(to)).toMatchObject({ step: String(fetched.step), state_sha256: fetched.stateSha256 });
    expect(readRunFile(to)).toMatchObject({ outcome: 'running', stepsDone: fetched.step });
    expect(await run.finished).toMatchObject({ status: 0, stderr: '' });
    expect(readRunFile(out)).toMatchObject({ outcome: 'done', stepsDone: STEPS });
    expect(existsSync(join(out, '.newest'))).toBe(false);
  },
);
