import { open, type FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { OperationalError } from '../../proto/index.js';

/**
 * IDX, the format MNIST comes in: two zero bytes, the element type, the number of dimensions, each dimension as a
 * big-endian uint32, then the elements, last dimension fastest. Only unsigned bytes (type 8) are read here, as in all
 * four files of MNIST.
 */
export interface IdxArray {
  /** Images: [count, rows, columns]; labels: [count]. */
  readonly dimensions: readonly number[];
  /** All elements; as many as the product of the dimensions. */
  readonly data: Uint8Array;
}

const TYPE_UINT8 = 0x08;
const MAX_RANK = 4;
/** Above this a file is refused: 1.3 million images of 28 x 28. */
const MAX_DATA_BYTES = 1 << 30;
/** Deflate makes nothing smaller than 1/1032 of its size; what announces more cannot be true. */
const MAX_DEFLATE_RATIO = 1032;
const GZIP_MAGIC = [0x1f, 0x8b] as const;
const READ_BYTES = 1 << 18;

interface IdxHeader {
  readonly dimensions: readonly number[];
  readonly headerBytes: number;
  readonly dataBytes: number;
}

/** Bytes that a header of `rank` dimensions takes. */
const headerSize = (rank: number): number => 4 + 4 * rank;

const corrupt = (name: string, words: string): OperationalError =>
  new OperationalError('dataset', `${name} ${words}`);

/**
 * Parses an IDX file's whole content, not compressed. `data` is a view of `bytes`. Throws OperationalError('dataset')
 * with one line that starts with `name`.
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const header = parseHeader(bytes, name);
  checkLength(bytes.byteLength, header, name);
  return { dimensions: header.dimensions, data: bytes.subarray(header.headerBytes) };
}

/** The content of an IDX file; the inverse of `parseIdx`. */
export function encodeIdx(array: IdxArray): Uint8Array {
  const rank = array.dimensions.length;
  const bytes = new Uint8Array(headerSize(rank) + array.data.byteLength);
  bytes.set([0, 0, TYPE_UINT8, rank]);
  const view = new DataView(bytes.buffer);
  array.dimensions.forEach((dimension, axis) => view.setUint32(4 + 4 * axis, dimension));
  bytes.set(array.data, headerSize(rank));
  return bytes;
}

/**
 * Reads an IDX file, plain or gzip-compressed; which of them is told by its content, since browsers unpack downloads
 * and keep the name. Memory: the elements once, and small buffers. Nothing that the file announces is allocated before
 * it is known to be possible for a file of that size. Throws OperationalError('dataset') with one line that names the
 * file, what was expected and what was found.
 */
export async function readIdx(path: string): Promise<IdxArray> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw corrupt(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw corrupt(path, 'was expected to be a file');
    if (stat.size === 0) throw corrupt(path, 'is empty; an IDX file was expected');
    const start = new Uint8Array(headerSize(MAX_RANK));
    const { bytesRead } = await file.read(start, 0, start.byteLength, 0);
    const head = start.subarray(0, bytesRead);
    return head[0] === GZIP_MAGIC[0] && head[1] === GZIP_MAGIC[1]
      ? await readCompressed(file, stat.size, path)
      : await readPlain(file, stat.size, head, path);
  } finally {
    await file.close();
  }
}

async function readPlain(file: FileHandle, size: number, head: Uint8Array, path: string): Promise<IdxArray> {
  const header = parseHeader(head, path);
  checkLength(size, header, path);
  const data = new Uint8Array(header.dataBytes);
  for (let at = 0; at < data.byteLength;) {
    const { bytesRead } = await file.read(data, at, data.byteLength - at, header.headerBytes + at);
    if (bytesRead === 0) throw corrupt(path, 'became shorter while it was read');
    at += bytesRead;
  }
  return { dimensions: header.dimensions, data };
}

async function readCompressed(file: FileHandle, size: number, path: string): Promise<IdxArray> {
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  const source = file.createReadStream({ start: 0, autoClose: false, highWaterMark: READ_BYTES });
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  const collector = new IdxCollector(path, size * MAX_DEFLATE_RATIO);
  try {
    for await (const chunk of gunzip) collector.add(chunk as Uint8Array);
  } catch (error) {
    if (error instanceof OperationalError) throw error;
    throw corrupt(path, `is not a whole gzip file (${(error as Error).message})`);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
  // gunzip ends quietly at bytes after the compressed stream that do not look like a further one.
  if (gunzip.bytesWritten < size) {
    throw corrupt(path, `has ${size - gunzip.bytesWritten} bytes after the end of its gzip stream`);
  }
  return collector.finish();
}

/** Puts an IDX array together from pieces of its file. */
class IdxCollector {
  private head = new Uint8Array(0);
  private header: IdxHeader | null = null;
  private data = new Uint8Array(0);
  private filled = 0;

  constructor(
    private readonly name: string,
    private readonly possibleBytes: number,
  ) {}

  add(piece: Uint8Array): void {
    const rest = this.header === null ? this.addToHeader(piece) : piece;
    if (this.header === null || rest.byteLength === 0) return;
    if (this.filled + rest.byteLength > this.data.byteLength) {
      throw corrupt(this.name, `holds more than the ${describe(this.header)} that it announces`);
    }
    this.data.set(rest, this.filled);
    this.filled += rest.byteLength;
  }

  finish(): IdxArray {
    const header = this.header ?? parseHeader(this.head, this.name);
    checkLength(header.headerBytes + this.filled, header, this.name);
    return { dimensions: header.dimensions, data: this.data };
  }

  /** Returns what follows the header in `piece`. */
  private addToHeader(piece: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.head.byteLength + piece.byteLength);
    joined.set(this.head);
    joined.set(piece, this.head.byteLength);
    this.head = joined;
    if (joined.byteLength < 4) return new Uint8Array(0);
    const rank = checkMagic(joined, this.name);
    if (joined.byteLength < headerSize(rank)) return new Uint8Array(0);
    const header = parseHeader(joined, this.name);
    if (header.headerBytes + header.dataBytes > this.possibleBytes) {
      throw corrupt(this.name, `announces ${describe(header)}, more than a file of its size can hold`);
    }
    this.header = header;
    this.data = new Uint8Array(header.dataBytes);
    this.head = new Uint8Array(0);
    return joined.subarray(header.headerBytes);
  }
}

/** Checks the first four bytes; returns the number of dimensions. */
function checkMagic(bytes: Uint8Array, name: string): number {
  const [zero, zeroToo, type, rank = 0] = bytes;
  if (zero !== 0 || zeroToo !== 0 || bytes.byteLength < 4) {
    const found = Buffer.from(bytes.subarray(0, 4)).toString('hex');
    throw corrupt(
      name,
      `is neither an IDX file (begins with 000008) nor gzip (1f8b): it begins with ${found}`,
    );
  }
  if (type !== TYPE_UINT8) {
    throw corrupt(
      name,
      `holds elements of IDX type 0x${(type ?? 0).toString(16)}; unsigned bytes (0x8) were expected`,
    );
  }
  if (rank < 1 || rank > MAX_RANK) {
    throw corrupt(name, `has ${rank} dimensions; 1 (labels) or 3 (images) were expected`);
  }
  return rank;
}

function parseHeader(bytes: Uint8Array, name: string): IdxHeader {
  const rank = checkMagic(bytes, name);
  const headerBytes = headerSize(rank);
  if (bytes.byteLength < headerBytes) {
    throw corrupt(name, `ends inside its header, after ${bytes.byteLength} of ${headerBytes} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dimensions = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  // At most 2^128 as a double: large, but never wrong about being too large.
  const dataBytes = dimensions.reduce((product, dimension) => product * dimension, 1);
  const header = { dimensions, headerBytes, dataBytes };
  if (dataBytes > MAX_DATA_BYTES) {
    throw corrupt(name, `announces ${describe(header)}; at most ${MAX_DATA_BYTES} bytes are read`);
  }
  return header;
}

function checkLength(found: number, header: IdxHeader, name: string): void {
  const expected = header.headerBytes + header.dataBytes;
  if (found === expected) return;
  const words = found < expected ? 'is truncated' : 'has bytes after its end';
  throw corrupt(name, `${words}: ${describe(header)} take ${expected} bytes, found ${found}`);
}

const describe = (header: IdxHeader): string => `${header.dimensions.join(' x ')} elements`;
