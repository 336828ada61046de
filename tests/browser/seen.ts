import type { Page } from 'playwright-core';

/* What can be seen on the live page, as values to compare. */

/** Step of the sample grid that is shown, by the caption; null before the first. */
export async function shownSample(page: Page): Promise<number | null> {
  const caption = await page.locator('#sample-caption').innerText();
  const step = /after step ([\d,]+)/.exec(caption)?.[1];
  return step === undefined ? null : Number(step.replaceAll(',', ''));
}

/** Hash of the pixels that a canvas or the sample grid shows. */
export const pixelsOf = (page: Page, selector: string): Promise<number> =>
  page.locator(selector).evaluate((node) => {
    let canvas: HTMLCanvasElement;
    if (node instanceof HTMLCanvasElement) canvas = node;
    else {
      const image = node as HTMLImageElement;
      canvas = document.createElement('canvas');
      canvas.width = image.naturalWidth;
      canvas.height = image.naturalHeight;
      canvas.getContext('2d')?.drawImage(image, 0, 0);
    }
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let hash = 0;
    for (const byte of data) hash = (Math.imul(hash, 31) + byte) | 0;
    return hash;
  });

/** How many different sample grids the browser has loaded, shown or not. */
export const loadedGrids = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const names = performance.getEntriesByType('resource').map(({ name }) => name);
    return new Set(names.filter((name) => name.includes('/samples/'))).size;
  });

/** Names of the workers in the ring, in its order. */
export const ringNames = (page: Page): Promise<string[]> =>
  page.locator('.node').evaluateAll((nodes) =>
    nodes
      .map((node) => ({
        rank: Number(node.querySelector('.node-rank')?.textContent),
        name: node.querySelector('.node-name')?.textContent ?? '',
      }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ name }) => name),
  );

/** The events in words, newest first. */
export const eventWords = (page: Page): Promise<string[]> =>
  page.locator('#events li > p:last-child').allInnerTexts();

/** CSS pixels by which the page is wider, and higher, than what is seen of it. */
export const overflow = (page: Page): Promise<{ wide: number; high: number }> =>
  page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    high: document.documentElement.scrollHeight - innerHeight,
  }));

/** Megabytes of the page's JavaScript objects that are still needed, and its nodes, in the document or not. */
export async function held(page: Page): Promise<{ heapMb: number; nodes: number }> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  const valueOf = (name: string): number =>
    metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
  return { heapMb: valueOf('JSHeapUsedSize') / 1e6, nodes: valueOf('Nodes') };
}

/** What can be operated and has no name that could be read out. */
export const nameless = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll('button, input, [tabindex="0"], [role="img"]')]
      .filter((node) => {
        const labelled = node.getAttribute('aria-label') ?? node.getAttribute('aria-labelledby') ?? '';
        return labelled === '' && (node.textContent ?? '').trim() === '';
      })
      .map((node) => node.outerHTML.slice(0, 80)),
  );
