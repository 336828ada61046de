import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { makeFolder } from '../../proto/runtime/make-folder.js';
import { writeWholeFile } from '../../proto/runtime/whole-file.js';
import { newestGenerator, openGenerator } from '../generator/index.js';
import { interruptible, untilInterrupted } from './interruptible.js';
import {
  gifPicture,
  gridPicture,
  idxContent,
  singlePictures,
  stripPicture,
  type Source,
} from './pictures.js';
import { checkFilePlace, checkFolderPlace, unwritable } from './place.js';
import { productOf, type FileProduct, type GenerateRequest, type Product } from './request.js';
import { removeEmpty, writeWholeFolder } from './whole-folder.js';
import { originWords, productWords } from './words.js';

export interface GenerateOptions extends GenerateRequest {
  /** The generator's file or folder; undefined: the newest run in `runs/`. */
  readonly path: string | undefined;
  readonly say: (line: string) => void;
  readonly interrupt: AbortSignal;
}

/**
 * Makes images from a generator and writes them to `out`, wholly or not at all. The same generator's file and the same
 * request give the same bytes on one machine. Rejects with UsageError for what cannot be asked for, with
 * OperationalError 'aborted' after an interrupt and 'run-failed' where the disk has no room.
 */
export async function generate(options: GenerateOptions): Promise<void> {
  const { out, path, seed, say, interrupt } = options;
  const product = productOf(options);
  const { replaces } = product.kind === 'pictures' ? await checkFolderPlace(out) : await checkFilePlace(out);
  const generator = await openGenerator(path ?? (await newestGenerator()));
  try {
    await write(product, { generator: interruptible(generator, interrupt), seed }, out, interrupt);
    const instead = replaces ? ', in place of the file that was there' : '';
    say(`${out}: ${productWords(product, seed)}, by ${originWords(generator)}${instead}`);
  } finally {
    await generator.close();
  }
}

async function write(product: Product, source: Source, out: string, interrupt: AbortSignal): Promise<void> {
  try {
    if (product.kind === 'pictures') {
      await writeWholeFolder(out, untilInterrupted(singlePictures(source, product.count), interrupt));
      return;
    }
    const pieces = content(product, source);
    const made = makeFolder(dirname(out));
    try {
      await writeWholeFile(
        out,
        untilInterrupted(out.toLowerCase().endsWith('.gz') ? gzipped(pieces) : pieces, interrupt),
      );
    } catch (error) {
      await removeEmpty(made);
      throw error;
    }
  } catch (error) {
    throw unwritable(out, error);
  }
}

/** Of one file. */
async function* content(product: FileProduct, source: Source): AsyncGenerator<Uint8Array> {
  switch (product.kind) {
    case 'grid':
      yield await gridPicture(source, product.count);
      return;
    case 'strip':
      yield await stripPicture(source, product);
      return;
    case 'gif':
      yield await gifPicture(source, product);
      return;
    case 'idx':
      yield* idxContent(source, product.count);
  }
}

/** The header that Node writes holds no time, so that equal content gives equal bytes. */
async function* gzipped(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  const compressed = pipeline(Readable.from(pieces, { objectMode: false }), gzip);
  compressed.catch(() => undefined); // what goes wrong ends the loop as well
  for await (const piece of gzip) yield piece as Uint8Array;
  await compressed;
}
