import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameSplitter } from '../../../worker/ring/frame-splitter.js';
import { collectGarbage } from './garbage.js';
import { damage } from './damage.js';

const HTTP = Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n');
const MAX_MESSAGE_BYTES = 400;

/** What has come out of a splitter, and what went in. */
class Outcome {
  readonly passed: Buffer[] = [];
  readonly messages: Buffer[] = [];
  message = Buffer.alloc(0);
  readonly splitter: FrameSplitter;
  private used = 0;

  /** @param appetite of the target, in bytes at a time */
  constructor(appetite: number) {
    this.splitter = new FrameSplitter(
      {
        passOn: (bytes) => this.passed.push(Buffer.from(bytes)),
        takeData: (bytes) => {
          const taken = bytes.subarray(0, appetite);
          this.message = Buffer.concat([this.message, taken]);
          return taken.byteLength;
        },
        endMessage: () => {
          this.messages.push(this.message);
          this.message = Buffer.alloc(0);
        },
      },
      MAX_MESSAGE_BYTES,
    );
  }

  /** @param cuts sizes of the pieces, over and over; all come in one piece of memory that is used again and again */
  feed(stream: Uint8Array, cuts: readonly number[]): this {
    const scratch = Buffer.alloc(Math.max(...cuts));
    for (let at = 0, next = 0; at < stream.length && !this.splitter.failure; next++) {
      const piece = scratch.subarray(0, Math.min(cuts[next % cuts.length] ?? 1, stream.length - at));
      piece.set(stream.subarray(at, at + piece.length));
      const used = this.splitter.split(piece);
      if (used === 0 && !this.splitter.failure) throw new Error('it stopped although its target is hungry');
      scratch.fill(0xee);
      at += used;
      this.used += used;
      this.check();
    }
    return this;
  }

  /** No message is longer than allowed, and nothing comes out that did not go in. */
  private check(): void {
    const { splitter } = this;
    if (splitter.dataLeft + this.message.length > MAX_MESSAGE_BYTES) throw new Error('too long a message');
    for (const { length } of this.messages) if (length > MAX_MESSAGE_BYTES) throw new Error('too long');
    const out = [...this.passed, ...this.messages, this.message].reduce((sum, { length }) => sum + length, 0);
    if (out > this.used) throw new Error('more came out than went in');
  }

  describe(): object {
    return {
      passed: Buffer.concat(this.passed).toString('hex'),
      messages: this.messages.map((message) => message.toString('hex')),
      message: this.message.toString('hex'),
      failure: this.splitter.failure,
      dataLeft: this.splitter.dataLeft,
    };
  }
}

/** Frames of every kind, with lengths written in as many bytes as somebody likes. */
const frame = fc
  .record({
    first: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(0x82, 0x02, 0x80, 0x00, 0x81, 0x89, 0x8a, 0x88) },
      { weight: 1, arbitrary: fc.nat(255) },
    ),
    masked: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(0x80) }),
    width: fc.constantFrom(1, 2, 8),
    payload: fc.uint8Array({ maxLength: 160 }),
    announced: fc.oneof(
      { weight: 12, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(1 << 20, 2 ** 32, 2 ** 53) },
    ),
  })
  .map(({ first, masked, width, payload, announced = payload.length }) => {
    if (width === 1 && announced < 126) return Buffer.concat([Buffer.of(first, masked | announced), payload]);
    if (width === 2 && announced < 65_536) {
      return Buffer.concat([Buffer.of(first, masked | 126, announced >> 8, announced & 0xff), payload]);
    }
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(announced));
    return Buffer.concat([Buffer.of(first, masked | 127), length, payload]);
  });
const streams = fc.array(frame, { maxLength: 6 }).map((frames) => Buffer.concat(frames));
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 500 })), {
  minLength: 1,
  maxLength: 8,
});

const RUNS = 4_000;
const DAMAGES = 24;

describe('a stream from anywhere', () => {
  test('is split or refused, the same however it is cut, and never kept', { timeout: 120_000 }, () => {
    let [cases, failures, messages] = [0, 0, 0];
    const judge = (stream: Uint8Array, sizes: readonly number[], appetite: number): void => {
      cases++;
      const whole = new Outcome(Infinity).feed(stream, [stream.length + 1]);
      const pieces = new Outcome(appetite).feed(stream, sizes);
      const [a, b] = [JSON.stringify(whole.describe()), JSON.stringify(pieces.describe())];
      if (a !== b) throw new Error(`split otherwise:\n${a}\n${b}`);
      if (whole.splitter.failure) {
        failures++;
        const { cause } = whole.splitter.failure;
        if (cause !== 'malformed' && cause !== 'oversize') throw new Error(`a cause ${cause}`);
        if (pieces.splitter.split(Buffer.alloc(100)) !== 0) throw new Error('it goes on after its failure');
      }
      messages += whole.messages.length;
    };
    fc.assert(
      fc.property(
        streams,
        streams,
        fc.array(damage, { minLength: DAMAGES, maxLength: DAMAGES }),
        fc.uint8Array({ maxLength: 60 }),
        cuts,
        fc.integer({ min: 1, max: 200 }),
        (stream, other, damages, noise, sizes, appetite) => {
          const [good, others] = [stream, other].map((frames) => Buffer.concat([HTTP, frames])) as [
            Buffer,
            Buffer,
          ];
          judge(good, sizes, appetite);
          judge(Buffer.concat([HTTP, noise]), sizes, appetite);
          judge(noise, sizes, appetite);
          for (const spoil of damages) judge(spoil(good, others), sizes, appetite);
        },
      ),
      { numRuns: RUNS },
    );
    expect(cases).toBeGreaterThan(100_000);
    expect(failures).toBeGreaterThan(10_000);
    expect(messages).toBeGreaterThan(10_000);
  });

  const endless: [string, Buffer][] = [
    ['an HTTP answer without end', Buffer.alloc(65_536, 'x: y\r\n')],
    [
      'a text of 8 EiB',
      Buffer.concat([HTTP, Buffer.from('817f7fffffffffffffff', 'hex'), Buffer.alloc(65_536)]),
    ],
    ['pings', Buffer.concat([HTTP, Buffer.alloc(65_536, Buffer.from('8904aabbccdd', 'hex'))])],
    ['empty frames of a message', Buffer.concat([HTTP, Buffer.from('0200', 'hex'), Buffer.alloc(65_536, 0)])],
  ];
  test.each(endless)('takes no memory: %s', (_, stream) => {
    const target = {
      passOn: () => undefined,
      takeData: (piece: Uint8Array) => piece.byteLength,
      endMessage: () => undefined,
    };
    const splitter = new FrameSplitter(target, MAX_MESSAGE_BYTES);
    splitter.split(stream);
    const again = stream.subarray(stream.length - 65_532); // goes on where the stream has ended
    const before = collectGarbage();
    for (let i = 0; i < 500; i++) splitter.split(again);
    expect(collectGarbage() - before).toBeLessThan(1 << 20);
    expect(splitter.failure).toBeUndefined();
  });
});
