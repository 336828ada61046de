import { Packr } from 'msgpackr';
import type { z } from 'zod';
import { invariant, messageOf } from '../errors.js';
import { limits } from '../limits.js';
import { RejectedMessage, type RejectionReason } from './rejections.js';

/** Above the largest that the schemas allow: a start with 1,024 members whose hosts have 255 characters of 3 bytes. */
export const MAX_MESSAGE_BYTES = 900_000;
/** Above the most that the schemas allow: a report, each of whose rows has 19. Bounds what a refusal costs. */
const MAX_VALUES = 32 * limits.maxReportRows;
/** A layer of a network of the model of a welcome's spec lies this deep, less two. */
const MAX_DEPTH = 8;
/** What a refusal quotes of a message, in characters. */
const MAX_QUOTED = 200;

// Plain MessagePack maps: no record extension, so that any MessagePack reader can follow the wire.
const packr = new Packr({ useRecords: false, mapsAsObjects: true });

/** Packs a control message. The sender's half of the schema check: a message that does not fit is our own bug. */
export function encodeMessage<S extends z.ZodType>(schema: S, message: z.infer<S>): Uint8Array {
  const bytes = packr.pack(schema.parse(message));
  invariant(bytes.byteLength <= MAX_MESSAGE_BYTES, `a message has ${MAX_MESSAGE_BYTES} bytes at most`);
  return bytes;
}

/**
 * Unpacks a control message. Throws RejectedMessage, an OperationalError('protocol'), for anything that is no message
 * of this schema, whatever the bytes; what that costs is bounded by the bytes that are there, not by what they announce.
 */
export function decodeMessage<S extends z.ZodType>(
  schema: S,
  bytes: Uint8Array,
  subject: string,
): z.infer<S> {
  const refuse = (reason: Exclude<RejectionReason, 'stale'>, what: string): never => {
    throw new RejectedMessage(reason, `message on ${inOneLine(subject)}: ${inOneLine(what)}`);
  };
  if (bytes.byteLength > MAX_MESSAGE_BYTES)
    refuse('oversize', `${bytes.byteLength} bytes, more than any message has`);
  const fault = new PlainScan(bytes).fault();
  if (fault !== undefined) refuse('malformed', fault);
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch (error) {
    refuse('malformed', messageOf(error));
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  return refuse('schema', `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

/**
 * Looks over a message before it is unpacked. msgpackr reads more than our messages are made of, whatever its options:
 * extensions that compile functions and regular expressions, and references by which half a kilobyte becomes a value
 * whose description, in the words of its own error, never ends. So only what messages are made of gets there: maps with
 * text for keys, arrays, text, bytes, numbers, booleans and null, in bounded number and depth, all of which is there.
 */
class PlainScan {
  private readonly view: DataView;
  private at = 0;
  private values = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** What is wrong with the message, in words; undefined when nothing is. */
  fault(): string | undefined {
    const fault = this.value(0);
    if (fault !== undefined) return fault;
    const left = this.view.byteLength - this.at;
    return left > 0 ? `${left} bytes after its end` : undefined;
  }

  private value(depth: number): string | undefined {
    if (++this.values > MAX_VALUES) return `more than ${MAX_VALUES} values`;
    const kind = this.length(1);
    if (kind === undefined) return CUT_OFF;
    if (kind < 0x80 || kind >= 0xe0) return undefined; // a small integer
    if (kind < 0x90) return this.items(kind & 0x0f, depth, true);
    if (kind < 0xa0) return this.items(kind & 0x0f, depth, false);
    if (kind < 0xc0) return this.skip(kind & 0x1f);
    switch (kind) {
      case 0xc0: // null
      case 0xc2: // false
      case 0xc3: // true
        return undefined;
      case 0xcc: // uint8
      case 0xd0: // int8
        return this.skip(1);
      case 0xcd: // uint16
      case 0xd1: // int16
        return this.skip(2);
      case 0xca: // float32
      case 0xce: // uint32
      case 0xd2: // int32
        return this.skip(4);
      case 0xcb: // float64
      case 0xcf: // uint64
      case 0xd3: // int64
        return this.skip(8);
      case 0xc4: // bytes
      case 0xc5:
      case 0xc6:
        return this.skip(this.length(1 << (kind - 0xc4)));
      case 0xd9: // text
      case 0xda:
      case 0xdb:
        return this.skip(this.length(1 << (kind - 0xd9)));
      case 0xdc: // array
      case 0xdd:
        return this.items(this.length(2 << (kind - 0xdc)), depth, false);
      case 0xde: // map
      case 0xdf:
        return this.items(this.length(2 << (kind - 0xde)), depth, true);
      default:
        return `a value of kind 0x${kind.toString(16)}, which no message has`;
    }
  }

  private items(count: number | undefined, depth: number, keyed: boolean): string | undefined {
    if (count === undefined) return CUT_OFF;
    if (depth === MAX_DEPTH) return `values more than ${MAX_DEPTH} deep`;
    for (let i = 0; i < count; i++) {
      if (keyed && !this.atText()) return 'a key that is no text';
      const fault = (keyed ? this.value(depth + 1) : undefined) ?? this.value(depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  private atText(): boolean {
    if (this.at >= this.view.byteLength) return true; // cut off, as `value` finds
    const kind = this.view.getUint8(this.at);
    return (kind >= 0xa0 && kind < 0xc0) || (kind >= 0xd9 && kind <= 0xdb);
  }

  /** The next 1, 2 or 4 bytes as a number; undefined when they are not there. */
  private length(bytes: number): number | undefined {
    const { at, view } = this;
    if (this.skip(bytes) !== undefined) return undefined;
    return bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at);
  }

  private skip(bytes: number | undefined): string | undefined {
    if (bytes === undefined || bytes > this.view.byteLength - this.at) return CUT_OFF;
    this.at += bytes;
    return undefined;
  }
}

const CUT_OFF = 'it ends in the middle of a value';

/** What a stranger wrote, fit for one line of a log. */
function inOneLine(text: string): string {
  const line = text.slice(0, MAX_QUOTED).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  return text.length > MAX_QUOTED ? `${line}...` : line;
}
