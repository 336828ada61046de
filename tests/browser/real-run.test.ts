import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GanCluster } from '../integration/cluster/gan-cluster.js';
import { chromiumForTests, launchChromium } from './chromium.js';
import { eventWords, pixelsOf, ringNames, shownSample } from './seen.js';
import { Visit } from './visit.js';

const program = chromiumForTests();
const DEADLINE_MS = 60_000;

const DATA = process.env['MNIST_DIR'] ?? 'synthetic';

/** Process id of one of the run's processes, by a part of its command line. */
function pidOf(out: string, role: string): number {
  const processes = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  const line = processes.find((one) => one.includes(`${out}`) && one.includes(role));
  if (line === undefined) throw new Error(`no process of ${out} is ${role}`);
  return Number.parseInt(line, 10);
}

const until = (look: () => Promise<void> | void): Promise<void> =>
  vi.waitFor(look, { timeout: DEADLINE_MS, interval: 100 });

/** Real processes, killed by real signals; the page is the one that the coordinator serves. */
describe.skipIf(program === null)('the live page of a real run', () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), 'gan-browser-'));
  const out = join(folder, 'run');
  let run: GanCluster;
  let url = '';

  beforeAll(async () => {
    browser = await launchChromium(program!);
    const shape = ['--shards', '4', '--shard-batch', '16', '--steps', '100000', '--workers', '3'];
    run = new GanCluster(['train', ...shape, '--data', DATA, '--sample-every', '50', '--out', out]);
    await run.printed('live page: ');
    url = /live page: (http:\S+)/.exec(run.output)?.[1] ?? '';
    await run.printed('ring epoch');
  });
  afterAll(async () => {
    run.child.kill('SIGKILL');
    await run.finished;
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('moves while it trains, tells of a killed worker, outlives its coordinator, and ends with the run', async () => {
    const visit = await Visit.open(browser, url);
    const { page } = visit;
    await visit.awaits('link', 'Live');
    // In the order in which they came.
    await until(async () =>
      expect([...(await ringNames(page))].sort()).toEqual(['worker-0', 'worker-1', 'worker-2']),
    );
    await until(async () => expect(await shownSample(page)).toBeGreaterThan(0));
    const before = {
      sample: (await shownSample(page)) ?? 0,
      picture: await pixelsOf(page, '#picture img'),
      losses: await pixelsOf(page, '#losses canvas'),
    };
    await until(async () => expect(await shownSample(page)).toBeGreaterThan(before.sample));
    expect(await pixelsOf(page, '#picture img')).not.toBe(before.picture);
    await until(async () => expect(await pixelsOf(page, '#losses canvas')).not.toBe(before.losses));
    await visit.screenshot('real-training-1440-light');

    process.kill(pidOf(out, '--worker-id worker-1'), 'SIGKILL');
    const said = async (words: RegExp): Promise<void> =>
      expect((await eventWords(page)).join('\n')).toMatch(words);
    await until(() => said(/worker-1 left: killed by SIGKILL/));
    await until(() => said(/worker-1 left: killed by SIGKILL: [\d.]+ s to the next commit/));
    await visit.screenshot('real-worker-lost-1440-light');
    // The launcher has started it again.
    await until(async () => expect(await ringNames(page)).toContain('worker-1'));

    const late = await Visit.open(browser, url, { width: 390, height: 844, theme: 'dark' });
    await late.awaits('link', 'Live');
    await until(async () => expect((await eventWords(late.page)).join('\n')).toContain('worker-1 left'));
    await late.screenshot('real-late-390-dark', { whole: true });

    await visit.whileAway(() =>
      late.whileAway(async () => {
        process.kill(pidOf(out, ' coordinator '), 'SIGKILL');
        await visit.awaits('link', /Reconnect/i);
        await visit.awaits('link', 'Live', DEADLINE_MS);
        await late.awaits('link', 'Live', DEADLINE_MS);
      }),
    );
    await until(() => said(/a coordinator took the lead/));
    await said(/worker-1 left: killed by SIGKILL/); // it happened before
    const resumed = (await shownSample(page)) ?? 0;
    await until(async () => expect(await shownSample(page)).toBeGreaterThan(resumed));

    run.interrupt();
    await visit.awaits('link', /over/i, DEADLINE_MS);
    expect((await run.finished).status).toBe(130);
    await visit.screenshot('real-over-1440-light');
    for (const { complaints, strangers } of [visit, late]) {
      expect(complaints).toEqual([]);
      expect(strangers).toEqual([]);
    }
    await visit.close();
    await late.close();
  });
});
