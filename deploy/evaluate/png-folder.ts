import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { UsageError, messageOf } from '../../proto/index.js';
import { fileSystemWords } from '../generator/index.js';
import { IMAGE_SIZE, SIDE } from './digit-images.js';

/** Far more than 28 x 28 pixels take. */
const MAX_FILE_BYTES = 1 << 20;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Signature, then the first chunk: length, IHDR, width, height. */
const SIZE_AT = 16;

export const isPng = (name: string): boolean => name.toLowerCase().endsWith('.png');

/**
 * Grey images of 28 x 28 pixels.
 * @param names files of the folder, in the order in which they are to come
 * @param onPart awaited after each image; what it throws ends the reading
 * @returns [names.length, 784], 0 black
 * @throws UsageError that names the file
 */
export async function readPngs(
  folder: string,
  names: readonly string[],
  onPart: (images: number) => Promise<void>,
): Promise<Uint8Array> {
  const images = new Uint8Array(names.length * IMAGE_SIZE);
  for (const [index, name] of names.entries()) {
    images.set(await readPng(join(folder, name)), index * IMAGE_SIZE);
    await onPart(1);
  }
  return images;
}

async function readPng(path: string): Promise<Uint8Array> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES)
      throw new UsageError(`${path} has ${size} bytes; an image of ${SIDE} x ${SIDE} was expected`);
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} ${fileSystemWords(error)}`, { cause: error });
  }
  if (!bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE) || bytes.length < SIZE_AT + 8)
    throw new UsageError(`${path} is no PNG image`);
  // Before anything is unpacked: a small file may announce a picture that fills the memory.
  const width = bytes.readUInt32BE(SIZE_AT);
  const height = bytes.readUInt32BE(SIZE_AT + 4);
  if (width !== SIDE || height !== SIDE)
    throw new UsageError(`${path} has ${width} x ${height} pixels; ${SIDE} x ${SIDE} were expected`);
  let rgba: Buffer;
  try {
    rgba = PNG.sync.read(bytes).data;
  } catch (error) {
    throw new UsageError(`${path} is a damaged PNG image (${messageOf(error)})`, { cause: error });
  }
  const grey = new Uint8Array(IMAGE_SIZE);
  for (let pixel = 0; pixel < IMAGE_SIZE; pixel++) {
    const [red, green, blue, alpha] = rgba.subarray(4 * pixel, 4 * pixel + 4);
    if (red !== green || red !== blue || alpha !== 255)
      throw new UsageError(`${path} is coloured or transparent; a grey image was expected`);
    grey[pixel] = red as number;
  }
  return grey;
}
