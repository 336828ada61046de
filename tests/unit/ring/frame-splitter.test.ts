import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameSplitter } from '../../../worker/ring/frame-splitter.js';

const HTTP = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n');
const MAX_MESSAGE_BYTES = 100_000;
const TEXT = 1;
const BINARY = 2;
const PING = 9;

interface Frame {
  readonly opcode: number;
  readonly last: boolean;
  readonly payload: Uint8Array;
}

function encode({ opcode, last, payload }: Frame): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length > 65_535 ? 10 : length > 125 ? 4 : 2);
  head[0] = opcode | (last ? 0x80 : 0);
  head[1] = length > 65_535 ? 127 : length > 125 ? 126 : length;
  if (length > 65_535) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length > 125) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, payload]);
}

/** Splits a stream in pieces; takes data only up to `appetite` bytes at a time, and skips some of it as if read directly. */
class Harness {
  readonly passed: Buffer[] = [];
  readonly messages: Buffer[] = [];
  appetite = Infinity;
  private message: Buffer[] = [];
  readonly splitter = new FrameSplitter(
    {
      passOn: (bytes) => this.passed.push(Buffer.from(bytes)),
      takeData: (bytes) => {
        const taken = Math.min(bytes.length, this.appetite);
        this.message.push(Buffer.from(bytes.subarray(0, taken)));
        return taken;
      },
      endMessage: () => {
        this.messages.push(Buffer.concat(this.message));
        this.message = [];
      },
    },
    MAX_MESSAGE_BYTES,
  );

  /** @param direct whether to hand over data past the splitter wherever that is possible */
  feed(stream: Buffer, cuts: readonly number[], direct: boolean): void {
    for (let at = 0, next = 0; at < stream.length && !this.splitter.failure; next++) {
      const size = cuts[next % cuts.length] ?? 1;
      if (direct && this.splitter.dataLeft > 0) {
        const part = stream.subarray(at, at + Math.min(size, this.splitter.dataLeft));
        this.message.push(Buffer.from(part));
        at += part.length;
        this.splitter.skip(part.length);
        continue;
      }
      const piece = stream.subarray(at, at + size);
      const used = this.splitter.split(piece);
      at += used;
    }
  }
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 0, max: MAX_MESSAGE_BYTES / 2 }).map((length) => new Uint8Array(length).fill(length)),
);
const control = fc
  .uint8Array({ maxLength: 125 })
  .map((bytes): Frame => ({ opcode: PING, last: true, payload: bytes }));
const text = fc
  .uint8Array({ maxLength: 300 })
  .map((bytes): Frame[] => [{ opcode: TEXT, last: true, payload: bytes }]);
/** A binary message in one or two fragments, with a ping between. */
const binary = fc
  .tuple(payload, fc.option(fc.tuple(payload, fc.option(control))))
  .map(([first, rest]): Frame[] =>
    rest
      ? [
          { opcode: BINARY, last: false, payload: first },
          ...(rest[1] ? [rest[1]] : []),
          { opcode: 0, last: true, payload: rest[0] },
        ]
      : [{ opcode: BINARY, last: true, payload: first }],
  );
const frames = fc
  .array(
    fc.oneof(
      text,
      binary,
      control.map((frame) => [frame]),
    ),
    { maxLength: 8 },
  )
  .map((groups) => groups.flat());
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
});

describe('frame splitter', () => {
  test('binary messages come out whole, all else is passed on, however the stream is cut', () => {
    fc.assert(
      fc.property(
        frames,
        cuts,
        fc.boolean(),
        fc.integer({ min: 1, max: 70_000 }),
        (all, sizes, direct, appetite) => {
          const harness = new Harness();
          harness.appetite = appetite;
          harness.feed(Buffer.concat([HTTP, ...all.map(encode)]), sizes, direct);
          expect(harness.splitter.failure).toBeUndefined();
          const passed: Buffer[] = [HTTP];
          const messages: Buffer[] = [];
          let parts: Uint8Array[] = [];
          for (const frame of all) {
            if (frame.opcode === TEXT || frame.opcode === PING) {
              passed.push(encode(frame));
              continue;
            }
            parts.push(frame.payload);
            if (!frame.last) continue;
            messages.push(Buffer.concat(parts));
            parts = [];
          }
          expect(Buffer.concat(harness.passed).equals(Buffer.concat(passed))).toBe(true);
          expect(harness.messages.length).toBe(messages.length);
          expect(harness.messages.every((message, i) => message.equals(messages[i] ?? Buffer.alloc(0)))).toBe(
            true,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the end of the HTTP answer is found at any cut, and after false starts', () => {
    const http = Buffer.from('HTTP/1.1 101 x\r\nA: \r\r\nB: c\r\n\r\n');
    const frame = encode({ opcode: BINARY, last: true, payload: Uint8Array.of(1, 2, 3) });
    for (let size = 1; size < http.length + frame.length; size++) {
      const harness = new Harness();
      harness.feed(Buffer.concat([http, frame]), [size], false);
      expect(Buffer.concat(harness.passed).equals(http)).toBe(true);
      expect(harness.messages).toEqual([Buffer.of(1, 2, 3)]);
    }
  });

  test('a target that takes nothing stops the splitting where it is', () => {
    const harness = new Harness();
    harness.appetite = 0;
    const frame = encode({ opcode: BINARY, last: true, payload: Uint8Array.of(1, 2, 3) });
    expect(harness.splitter.split(Buffer.concat([HTTP, frame]))).toBe(HTTP.length + 2);
    expect(harness.splitter.dataLeft).toBe(3);
    harness.appetite = Infinity;
    expect(harness.splitter.split(frame.subarray(2))).toBe(3);
    expect(harness.messages).toEqual([Buffer.of(1, 2, 3)]);
  });

  const broken: [string, 'malformed' | 'oversize', Buffer][] = [
    ['reserved bits', 'malformed', Buffer.of(0xc2, 0)],
    ['a mask', 'malformed', Buffer.of(0x82, 0x81)],
    ['a message within a message', 'malformed', Buffer.of(0x02, 0, 0x02, 0)],
    ['a terabyte', 'oversize', Buffer.from('827f000000e8d4a51000', 'hex')],
    ['the largest length there is', 'oversize', Buffer.from('827fffffffffffffffff', 'hex')],
    [
      'fragments that add up',
      'oversize',
      Buffer.concat([
        encode({ opcode: BINARY, last: false, payload: new Uint8Array(90_000) }),
        Buffer.from('807e7530', 'hex'),
      ]),
    ],
  ];
  for (const [what, cause, bytes] of broken) {
    test(`refused: ${what}`, () => {
      const harness = new Harness();
      harness.feed(Buffer.concat([HTTP, bytes]), [7, 50_000], false);
      expect(harness.splitter.failure?.cause).toBe(cause);
      expect(harness.splitter.split(encode({ opcode: BINARY, last: true, payload: new Uint8Array(4) }))).toBe(
        0,
      );
      expect(harness.messages).toEqual([]);
    });
  }

  test(
    'no bytes make it do anything but split or refuse, or keep more than a header',
    { timeout: 60_000 },
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 60 }), (noise, size) => {
          const harness = new Harness();
          const stream = Buffer.concat([HTTP, noise]);
          harness.feed(stream, [size], false);
          const out = [...harness.passed, ...harness.messages].reduce((sum, { length }) => sum + length, 0);
          expect(out).toBeLessThanOrEqual(stream.length);
        }),
        { numRuns: 100_000 },
      );
    },
  );
});
