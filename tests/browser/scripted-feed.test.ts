import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { chromiumForTests, launchChromium } from './chromium.js';
import { FeedServer } from './feed-server.js';
import { ScriptedRun, type ScriptedRunOptions } from './scripted-run.js';
import {
  eventWords,
  held,
  loadedGrids,
  nameless,
  overflow,
  pixelsOf,
  ringNames,
  shownSample,
} from './seen.js';
import { Visit, type VisitOptions } from './visit.js';

const program = chromiumForTests();
const NAMES = ['worker-0', 'worker-1', 'worker-2', 'worker-3'];

/** A run that has come that far, with four workers in the ring and one spare. */
function trained(steps: number, options: ScriptedRunOptions = {}): ScriptedRun {
  const run = new ScriptedRun(options);
  for (const name of [...NAMES, 'worker-4']) run.come(name);
  run.advance(steps);
  return run;
}

describe.skipIf(program === null)('the live page, told a scripted run', () => {
  let browser: Browser;
  const opened: { feeds: FeedServer[]; visits: Visit[] } = { feeds: [], visits: [] };

  beforeAll(async () => {
    browser = await launchChromium(program!);
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const { feeds, visits } = opened;
    for (const visit of visits) await visit.close();
    for (const feed of feeds) await feed.stop();
    const heard = visits.map(({ complaints, strangers }) => ({ complaints, strangers }));
    opened.feeds = [];
    opened.visits = [];
    expect(heard).toEqual(heard.map(() => ({ complaints: [], strangers: [] })));
  });

  async function serve(run: ScriptedRun, port = 0): Promise<FeedServer> {
    const feed = await FeedServer.start(run, port);
    opened.feeds.push(feed);
    return feed;
  }

  async function visit(feed: FeedServer, options: VisitOptions = {}): Promise<Visit> {
    const made = await Visit.open(browser, feed.url, options);
    opened.visits.push(made);
    return made;
  }

  async function stop(feed: FeedServer): Promise<void> {
    opened.feeds = opened.feeds.filter((other) => other !== feed);
    await feed.stop();
  }

  it('says what it waits for before there is a worker', async () => {
    const seen = await visit(await serve(new ScriptedRun()));
    await seen.awaits('link', 'Live');
    await seen.awaits('notice', 'Waits for workers');
    expect(await seen.says('phase')).toBe('Waiting for workers');
    expect(await seen.says('no-sample')).toContain('first digits are drawn when');
    expect(await seen.says('no-events')).toContain('Nothing has happened');
    await seen.screenshot('waiting-1440-light');
  });

  it('shows a run that trains, and what comes new', async () => {
    const run = trained(2_000);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('step', '2,000');
    expect(await seen.says('pass')).toBe('5');
    expect(await seen.says('workers')).toBe('4');
    expect(await seen.says('beside-count')).toBe('+ 1 spare');
    expect(await seen.says('beside')).toContain('worker-4');
    expect(await ringNames(seen.page)).toEqual(NAMES);
    await seen.awaits('sample-caption', 'after step 1,989');
    const before = {
      picture: await pixelsOf(seen.page, '#picture img'),
      losses: await pixelsOf(seen.page, '#losses canvas'),
    };
    feed.tell(run.advance(400));
    await seen.awaits('step', '2,400');
    await seen.awaits('sample-caption', 'after step 2,340');
    expect(await pixelsOf(seen.page, '#picture img')).not.toBe(before.picture);
    await expect.poll(() => pixelsOf(seen.page, '#losses canvas')).not.toBe(before.losses);
  });

  it('shows a worker that falls silent, is lost, and comes back', async () => {
    const run = trained(1_204);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('step', '1,204');
    feed.tell(run.setRole('worker-2', 'silent'));
    await seen.page.locator('.node[data-role="silent"]').waitFor();
    await seen.screenshot('worker-silent-1440-light');
    feed.tell(run.kill('worker-2'));
    await seen.page.locator('#events li[data-level="warning"]').first().waitFor();
    expect((await eventWords(seen.page))[0]).toBe(
      'worker-2 left: killed in all-gather of step 1204: 0.8 s to the next commit',
    );
    await expect.poll(() => ringNames(seen.page)).toEqual(['worker-0', 'worker-1', 'worker-3', 'worker-4']);
    await seen.awaits('reason', 'worker-2 left');
    await seen.screenshot('worker-lost-1440-light');
    feed.tell(run.kill('worker-4'));
    await expect.poll(() => ringNames(seen.page)).toEqual(['worker-0', 'worker-1', 'worker-3']);
    feed.tell(run.come('worker-2'));
    await expect.poll(async () => (await ringNames(seen.page)).length).toBe(4);
  });

  it('goes on after the coordinator was started again, without a doubled event', async () => {
    const run = trained(1_000);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('step', '1,000');
    const events = (await eventWords(seen.page)).length;
    await seen.whileAway(async () => {
      await stop(feed);
      await seen.awaits('link', /Reconnecting/);
      await seen.page.waitForTimeout(1_500);
      await seen.screenshot('reconnecting-1440-light');
      run.restart();
      run.advance(60);
      await serve(run, feed.port);
      await seen.awaits('link', 'Live');
    });
    await seen.awaits('step', '1,060');
    expect((await eventWords(seen.page)).length).toBe(events + 1);
    expect(await seen.page.locator('body.stale').count()).toBe(0);
  });

  it('keeps what it shows when the run is over, and asks nobody any more', async () => {
    const run = trained(9_360);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('step', '9,360');
    feed.tell(run.end('done', 'Trained 9,360 steps in 12 min 04 s; the result is in runs/scripted.'));
    await seen.awaits('link', 'The run is over');
    await seen.awaits('notice', 'The run is over: Trained');
    await expect.poll(() => loadedGrids(seen.page), { timeout: 20_000 }).toBeGreaterThanOrEqual(40);
    await stop(feed);
    await seen.page.waitForTimeout(1_000);
    expect(await seen.says('link')).toBe('The run is over');
    // The grids were fetched while there was somebody to ask.
    await seen.page.locator('#slider').press('Home');
    await seen.awaits('sample-caption', /^after step 1, pass 1$/);
    await seen.page.locator('#slider').press('End');
    await seen.awaits('sample-caption', 'after step 9,360');
    await seen.screenshot('over-1440-light');
  });

  it('shows a run that was over before it was opened', async () => {
    const run = trained(3_000);
    run.end('failed', 'Ten steps in a row had gradients that are not finite.');
    const seen = await visit(await serve(run), { theme: 'dark' });
    await seen.awaits('notice', 'The run failed: Ten steps');
    await seen.awaits('link', 'The run is over');
    expect(await seen.says('step')).toBe('3,000');
    await seen.screenshot('failed-1440-dark');
  });

  it('goes back through the run by keyboard, and plays the growth', async () => {
    const run = trained(1_000);
    const feed = await serve(run);
    const seen = await visit(feed, { calm: true });
    const { page } = seen;
    await seen.awaits('sample-caption', 'after step 936');
    await page.locator('#slider').focus();
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => shownSample(page)).toBe(819);
    expect(await page.locator('#live').getAttribute('aria-pressed')).toBe('false');
    await page.keyboard.press('Home');
    await expect.poll(() => shownSample(page)).toBe(1);
    // Who looks back is left there when a new grid comes.
    feed.tell(run.advance(200));
    await seen.awaits('step', '1,200');
    expect(await shownSample(page)).toBe(1);
    await page.keyboard.press('End');
    await expect.poll(() => shownSample(page)).toBe(1_170);
    // And who looks at the newest gets the next one.
    feed.tell(run.advance(200));
    await expect.poll(() => shownSample(page)).toBe(1_287);
    await page.locator('#play').focus();
    await page.keyboard.press('Enter');
    const film: (number | null)[] = [];
    await expect
      .poll(
        async () => {
          film.push(await shownSample(page));
          return film.at(-1);
        },
        { interval: 50 },
      )
      .toBe(1);
    await expect
      .poll(() => page.locator('#live').getAttribute('aria-pressed'), { timeout: 15_000 })
      .toBe('true');
    await expect.poll(() => shownSample(page)).toBe(1_287);
    await page.keyboard.press('Tab');
    await seen.screenshot('keyboard-focus-1440-light');
  });

  it('follows the system to dark, and remembers who chose otherwise', async () => {
    const seen = await visit(await serve(trained(500)), { theme: 'dark' });
    const paper = (): Promise<string> =>
      seen.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await paper();
    await seen.page.getByRole('button', { name: 'Light theme' }).click();
    const light = await paper();
    expect(light).not.toBe(dark);
    await seen.page.reload();
    await seen.awaits('link', 'Live');
    expect(await paper()).toBe(light);
    await seen.page.getByRole('button', { name: 'Dark theme' }).click();
    expect(await paper()).toBe(dark);
  });

  it.each([
    ['light', 1_440, 900],
    ['dark', 1_440, 900],
    ['light', 390, 844],
    ['dark', 390, 844],
    ['light', 900, 1_000],
    ['dark', 1_920, 1_080],
  ] as const)('fits, %s at %i x %i', async (theme, width, height) => {
    const run = trained(4_300);
    run.kill('worker-2');
    run.come('worker-5');
    run.setRole('worker-5', 'preparing');
    run.advance(37);
    const seen = await visit(await serve(run), { theme, width, height });
    await seen.awaits('sample-caption', 'after step 4,329');
    await seen.page.waitForTimeout(700);
    const beyond = await overflow(seen.page);
    expect(beyond.wide).toBeLessThanOrEqual(0);
    if (width >= 1_440) expect(beyond.high).toBeLessThanOrEqual(0);
    expect(await nameless(seen.page)).toEqual([]);
    await seen.screenshot(`training-${width}-${theme}`, { whole: width < 1_440 });
  });

  it('shows a thousand workers, as a drawing and as a table', async () => {
    const run = new ScriptedRun({ shards: 1_000 });
    for (let i = 0; i < 1_000; i++) run.come(`worker-${i}`);
    run.advance(50);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('workers', '1,000');
    expect(await seen.page.locator('.node').count()).toBe(1_000);
    await seen.screenshot('thousand-workers-1440-light');
    await seen.page.getByRole('button', { name: 'Table' }).click();
    await expect.poll(() => seen.page.locator('#ring-table tbody tr').count()).toBe(1_000);
    await seen.screenshot('thousand-workers-table-1440-light');
  });

  it('shows sixteen workers and those beside the ring', async () => {
    const run = new ScriptedRun({ shards: 16 });
    for (let i = 0; i < 18; i++) run.come(`worker-${i}`);
    run.setRole('worker-17', 'kept-out');
    run.advance(300);
    const seen = await visit(await serve(run), { theme: 'dark' });
    await seen.awaits('beside-count', '+ 1 spare, 1 kept out');
    await seen.screenshot('sixteen-workers-1440-dark');
    await seen.page.getByRole('button', { name: 'Table' }).click();
    await seen.page.locator('#ring-table tbody tr').first().waitFor();
    await seen.screenshot('table-1440-dark');
  });

  it('says so when it does not understand the coordinator, and goes on', async () => {
    const run = trained(100);
    const feed = await serve(run);
    const seen = await visit(feed);
    await seen.awaits('step', '100');
    feed.tellRubbish('{');
    feed.tellRubbish('{"kind":"news"}');
    await seen.awaits('notice', 'reload the page');
    feed.tell(run.advance(1));
    await seen.awaits('step', '101');
  });

  it('does not grow while it is left open', async () => {
    const run = new ScriptedRun({ steps: 400_000, stepsPerPass: 400 });
    for (const name of NAMES) run.come(name);
    const feed = await serve(run);
    const seen = await visit(feed, { calm: true });
    await seen.awaits('link', 'Live');
    const spin = async (turns: number): ReturnType<typeof held> => {
      for (let i = 0; i < turns; i++) {
        feed.tell(run.advance(25));
        for (let n = 0; n < 5; n++) feed.tell(run.say('info', `event in turn ${i}`));
        await seen.page.waitForTimeout(15);
      }
      await seen.awaits('step', new Intl.NumberFormat('en-US').format(run.step));
      return held(seen.page);
    };
    const first = await spin(150);
    const second = await spin(300);
    expect(await seen.page.locator('#events li').count()).toBe(500);
    expect(second.nodes - first.nodes).toBeLessThan(100);
    expect(second.heapMb - first.heapMb).toBeLessThan(1);
  });
});
