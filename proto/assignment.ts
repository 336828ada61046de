import { OperationalError } from './errors.js';
import { limits } from './limits.js';

/**
 * One shard's pixels on their way to a worker: a fixed little-endian header, then B x imageSize bytes, row-major.
 *
 *   0  u32  magic "GAS2"      4  u32 ring epoch (low)    8  u32 ring epoch (high)
 *  12  u32  step             16  u32 shard              20  u32 rows (B)   24  u32 bytes a row   28  u32 committed step
 *  32  u32  durable step
 */
export interface Assignment {
  readonly ringEpoch: number;
  readonly step: number;
  readonly shard: number;
  readonly rows: number;
  readonly rowBytes: number;
  /** Steps below this one are committed: reports on them need not be repeated. */
  readonly committedStep: number;
  /** Steps below this one are in a checkpoint: their rows need not be kept. */
  readonly durableStep: number;
  readonly pixels: Uint8Array;
}

const MAGIC = 0x32534147;
const HEADER_BYTES = 36;

export function encodeAssignment(assignment: Assignment): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + assignment.pixels.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, assignment.ringEpoch >>> 0, true);
  view.setUint32(8, Math.floor(assignment.ringEpoch / 2 ** 32), true);
  view.setUint32(12, assignment.step, true);
  view.setUint32(16, assignment.shard, true);
  view.setUint32(20, assignment.rows, true);
  view.setUint32(24, assignment.rowBytes, true);
  view.setUint32(28, assignment.committedStep, true);
  view.setUint32(32, assignment.durableStep, true);
  bytes.set(assignment.pixels, HEADER_BYTES);
  return bytes;
}

/** The returned pixels are a view of `bytes`. Throws OperationalError('protocol') on anything malformed. */
export function decodeAssignment(bytes: Uint8Array): Assignment {
  const fail = (found: string): never => {
    throw new OperationalError('protocol', `an assignment was expected, found ${found}`);
  };
  if (bytes.byteLength < HEADER_BYTES) fail(`${bytes.byteLength} bytes`);
  if (bytes.byteLength > limits.natsPayloadBytes)
    fail(`${bytes.byteLength} bytes, more than a message may have`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) fail('other magic');
  const rows = view.getUint32(20, true);
  const rowBytes = view.getUint32(24, true);
  const shard = view.getUint32(16, true);
  const ringEpoch = view.getUint32(4, true) + view.getUint32(8, true) * 2 ** 32;
  if (!Number.isSafeInteger(ringEpoch)) fail('a ring epoch out of range');
  if (shard >= limits.maxShards) fail(`shard ${shard}`);
  if (rows === 0 || rowBytes === 0) fail(`no pixels: ${rows} x ${rowBytes}`);
  if (rows * rowBytes !== bytes.byteLength - HEADER_BYTES) {
    fail(`${bytes.byteLength - HEADER_BYTES} bytes of pixels for ${rows} x ${rowBytes}`);
  }
  const step = view.getUint32(12, true);
  const committedStep = view.getUint32(28, true);
  const durableStep = view.getUint32(32, true);
  const pixels = bytes.subarray(HEADER_BYTES);
  return { ringEpoch, step, shard, rows, rowBytes, committedStep, durableStep, pixels };
}
