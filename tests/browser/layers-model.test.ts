import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as tfCore from '@tensorflow/tfjs-core';
import type * as tfLayers from '@tensorflow/tfjs-layers';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportedFiles } from '../integration/export/exported-files.js';
import { serveFiles } from '../integration/export/file-server.js';
import { describeReaders } from '../integration/export/readers.contract.js';
import { readmeSnippets } from '../integration/export/readme-snippets.js';
import { LAYERS_MODELS, type Reader } from '../integration/export/readers.js';
import { MODELS, trainedModel } from '../unit/export/trained-model.js';
import { chromiumForTests, launchChromium } from './chromium.js';
import { Visit } from './visit.js';

type TensorFlow = typeof tfCore & typeof tfLayers;

/** TensorFlow.js as its packages bring it for browsers; each script adds to what the one before it has made global. */
const BUNDLES = ['core', 'layers', 'backend-cpu'].map((part) => {
  const entry = createRequire(import.meta.url).resolve(`@tensorflow/tfjs-${part}`);
  return [`tf-${part}.js`, readFileSync(join(dirname(entry), `tf-${part}.min.js`))] as const;
});
const PAGE = `<!doctype html>
<link rel="icon" href="data:," />
${BUNDLES.map(([name]) => `<script src="${name}"></script>`).join('\n')}
`;

/** A page with TensorFlow.js, from the server that the model's files and `x` come from as well. */
async function visitPage<T>(
  browser: Browser,
  files: ReadonlyMap<string, Uint8Array>,
  x: Float32Array,
  look: (page: Page) => Promise<T>,
): Promise<T> {
  const served = new Map([
    ...files,
    ...BUNDLES,
    ['index.html', new TextEncoder().encode(PAGE)],
    ['x', new Uint8Array(x.buffer, x.byteOffset, x.byteLength)],
  ]);
  const server = await serveFiles(served);
  try {
    const visit = await Visit.open(browser, `http://127.0.0.1:${server.port}/index.html`);
    const seen = await look(visit.page);
    expect(visit.complaints).toEqual([]);
    expect(visit.strangers).toEqual([]);
    await visit.close();
    return seen;
  } finally {
    await server.close();
  }
}

const tensorFlowInChromium = (browserOf: () => Browser): Reader => ({
  name: 'TensorFlow.js in Chromium',
  read: (files, network, model) =>
    Promise.resolve((x) =>
      visitPage(browserOf(), files, x, (page) =>
        page.evaluate(
          async ({ file, inputSize }) => {
            const { tf } = globalThis as unknown as { readonly tf: TensorFlow };
            const loaded = await tf.loadLayersModel(file);
            const rows = new Float32Array(await (await fetch('x')).arrayBuffer());
            const output = loaded.predict(tf.tensor2d(rows, [rows.length / inputSize, inputSize]));
            return Array.from(await (output as tfCore.Tensor).data<'float32'>());
          },
          { file: LAYERS_MODELS[network], inputSize: model[network].inputSize },
        ),
      ),
    ),
});

const program = chromiumForTests();

describe.skipIf(program === null)('model.json in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium(program!);
  });
  afterAll(async () => {
    await browser.close();
  });

  describeReaders([tensorFlowInChromium(() => browser)]);

  it("does what README's lines say", async () => {
    const [snippet, ...others] = readmeSnippets('js');
    expect(others).toEqual([]);
    const files = await exportedFiles(trainedModel(MODELS.tutorial));
    const shape = await visitPage(browser, files, new Float32Array(), (page) =>
      page.evaluate(`(async () => { ${snippet}; return images.shape; })()`),
    );
    expect(shape).toEqual([25, 784]);
  });
});
