import type { LinkEnd } from './link.js';

/**
 * What comes before a state on the wire, as a message of its own, little-endian:
 *
 *     byte  0  uint16  magic
 *           2  uint16  version
 *           4  uint64  bytes of the state
 *          12  uint64  bytes of the rows
 */
export interface StateSizes {
  readonly stateBytes: number;
  readonly rowsBytes: number;
}

/** What the receiver knows beforehand. */
export interface ExpectedSizes {
  /** Exactly. */
  readonly stateBytes: number;
  readonly maxRowsBytes: number;
}

export const STATE_HEADER_BYTES = 20;
const MAGIC = 0x5347;
const VERSION = 1;

export function encodeStateHeader({ stateBytes, rowsBytes }: StateSizes): Uint8Array {
  const bytes = new Uint8Array(STATE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, MAGIC, true);
  view.setUint16(2, VERSION, true);
  view.setBigUint64(4, BigInt(stateBytes), true);
  view.setBigUint64(12, BigInt(rowsBytes), true);
  return bytes;
}

export type StateHeaderVerdict =
  | { readonly kind: 'expected'; readonly sizes: StateSizes }
  | { readonly kind: 'refuse'; readonly end: LinkEnd };

/**
 * Decides whether the announced sizes may be allocated.
 * @param bytes STATE_HEADER_BYTES of them, of any alignment
 */
export function judgeStateHeader(bytes: Uint8Array, expected: ExpectedSizes): StateHeaderVerdict {
  const view = new DataView(bytes.buffer, bytes.byteOffset, STATE_HEADER_BYTES);
  const magic = view.getUint16(0, true);
  if (magic !== MAGIC) return refuse('malformed', `magic ${MAGIC}`, magic);
  const version = view.getUint16(2, true);
  if (version !== VERSION) return refuse('malformed', `version ${VERSION}`, version);
  // What does not fit a number exactly is too large, and stays so when it is rounded.
  const stateBytes = Number(view.getBigUint64(4, true));
  const rowsBytes = Number(view.getBigUint64(12, true));
  if (stateBytes !== expected.stateBytes) {
    const cause = stateBytes > expected.stateBytes ? 'oversize' : 'malformed';
    return refuse(cause, `a state of ${expected.stateBytes} bytes`, stateBytes);
  }
  if (rowsBytes > expected.maxRowsBytes)
    return refuse('oversize', `rows of ${expected.maxRowsBytes} bytes at most`, rowsBytes);
  return { kind: 'expected', sizes: { stateBytes, rowsBytes } };
}

function refuse(cause: 'malformed' | 'oversize', expected: string, found: number): StateHeaderVerdict {
  return {
    kind: 'refuse',
    end: { cause, detail: `header of a state: expected ${expected}, found ${found}` },
  };
}
