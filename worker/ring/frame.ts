import { OperationalError } from '../../proto/index.js';
import type { RingPhase } from './schedule.js';

/**
 * A segment on the wire: this header, then `count` int32, little-endian as everything here.
 *
 *     byte  0  uint16  magic
 *           2  uint8   version
 *           3  uint8   phase: 1 reduce-scatter, 2 all-gather
 *           4  uint32  update
 *           8  uint16  attempt
 *          10  uint16  step of the ring
 *          12  uint32  offset of the segment in the vector, in elements
 *          16  uint32  count of elements
 *          20  uint32  length of the whole vector, in elements
 *
 * The schedule is known to both ends and TCP keeps order, so a receiver knows every field beforehand. They are sent all
 * the same: two workers that disagree about anything find out at the first segment, before it is added to a sum.
 */
export interface FrameHeader {
  readonly phase: RingPhase;
  readonly update: number;
  readonly attempt: number;
  readonly step: number;
  readonly offset: number;
  readonly count: number;
  readonly length: number;
}

export const FRAME_HEADER_BYTES = 24;
export const ELEMENT_BYTES = 4;
/** What the fields of a header can hold. */
export const MAX_UINT16 = 0xffff;
export const MAX_UINT32 = 0xffff_ffff;
const MAGIC = 0x5247;
const VERSION = 1;
const PHASE_CODES: Readonly<Record<RingPhase, number>> = { 'reduce-scatter': 1, 'all-gather': 2 };

export function encodeHeader(header: FrameHeader): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  bytes.writeUInt16LE(MAGIC, 0);
  bytes.writeUInt8(VERSION, 2);
  bytes.writeUInt8(PHASE_CODES[header.phase], 3);
  bytes.writeUInt32LE(header.update, 4);
  bytes.writeUInt16LE(header.attempt, 8);
  bytes.writeUInt16LE(header.step, 10);
  bytes.writeUInt32LE(header.offset, 12);
  bytes.writeUInt32LE(header.count, 16);
  bytes.writeUInt32LE(header.length, 20);
  return bytes;
}

/** Reads a header of any alignment. Throws OperationalError 'protocol' for what is no header of ours. */
export function decodeHeader(bytes: Uint8Array): FrameHeader {
  if (bytes.byteLength !== FRAME_HEADER_BYTES)
    throw malformed(`a header of ${FRAME_HEADER_BYTES} bytes`, `${bytes.byteLength}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  const magic = view.getUint16(0, true);
  if (magic !== MAGIC) throw malformed(`magic ${MAGIC}`, `${magic}`);
  const version = view.getUint8(2);
  if (version !== VERSION) throw malformed(`frame version ${VERSION}`, `${version}`);
  const code = view.getUint8(3);
  if (code !== PHASE_CODES['reduce-scatter'] && code !== PHASE_CODES['all-gather'])
    throw malformed('phase 1 or 2', `${code}`);
  return {
    phase: code === PHASE_CODES['reduce-scatter'] ? 'reduce-scatter' : 'all-gather',
    update: view.getUint32(4, true),
    attempt: view.getUint16(8, true),
    step: view.getUint16(10, true),
    offset: view.getUint32(12, true),
    count: view.getUint32(16, true),
    length: view.getUint32(20, true),
  };
}

const FIELDS = ['update', 'attempt', 'length', 'phase', 'step', 'offset', 'count'] as const;

/** Throws OperationalError 'protocol', naming the field, unless `found` is the one segment that may come now. */
export function checkFrame(found: FrameHeader, expected: FrameHeader): void {
  for (const field of FIELDS) {
    if (found[field] !== expected[field])
      throw malformed(`${field} ${expected[field]} (${describeFrame(expected)})`, `${found[field]}`);
  }
}

function describeFrame(header: Omit<FrameHeader, 'count' | 'length'>): string {
  return `${header.phase} of update ${header.update} attempt ${header.attempt}, step ${header.step}, offset ${header.offset}`;
}

function malformed(expected: string, found: string): OperationalError {
  return new OperationalError('protocol', `ring segment: expected ${expected}, found ${found}`);
}
