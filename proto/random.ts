import { invariant } from './errors.js';
import { normalFromWord } from './normal-quantile.js';
import { mulHigh, philox4x32 } from './philox.js';

/**
 * What random numbers are for. Ids are part of the bits of every run: add to them, never change one. Below 2,048.
 */
const STREAMS = {
  parameters: 1,
  /** z of a shard. */
  noise: 2,
  'image-order': 3,
  /** z of the pictures that show a run's progress. */
  samples: 4,
  /** The probe gradient of an engine's fingerprint. */
  probe: 5,
  /** z of images made from a finished generator. */
  generate: 6,
  /** z that the statistics of an averaged generator are taken over. */
  statistics: 7,
} as const;
export type RandomStream = keyof typeof STREAMS;

/** Names one sequence of random numbers: whoever asks with the same key gets the same ones. */
export interface RandomKey {
  /** A safe integer from 0. */
  readonly seed: number;
  readonly stream: RandomStream;
  /** A safe integer from 0: a step, a pass, the index of a tensor. */
  readonly step?: number;
  /** A uint32. */
  readonly shard?: number;
}

/** Key and counter of Philox4x32-10 for a RandomKey: uint32 words. The counter's first word is the block's number. */
export interface PhiloxInput {
  readonly counter1: number;
  readonly counter2: number;
  readonly counter3: number;
  readonly key0: number;
  readonly key1: number;
}

const TWO_32 = 4_294_967_296;
const BLOCK_WORDS = 4;

/** Key (seed, stream) and counter (block, shard, step). A broken invariant when a part is out of range. */
export function philoxInput({ seed, stream, step = 0, shard = 0 }: RandomKey): PhiloxInput {
  invariant(Number.isSafeInteger(seed) && seed >= 0, `a seed is a safe integer from 0: ${seed}`);
  invariant(Number.isSafeInteger(step) && step >= 0, `a step is a safe integer from 0: ${step}`);
  invariant(Number.isInteger(shard) && shard >= 0 && shard < TWO_32, `a shard is a uint32: ${shard}`);
  return {
    counter1: shard,
    counter2: step >>> 0,
    counter3: Math.floor(step / TWO_32),
    // 53 bits of seed leave the key's upper 11 to the stream.
    key0: seed >>> 0,
    key1: (Math.floor(seed / TWO_32) | (STREAMS[stream] << 21)) >>> 0,
  };
}

/** The words of one key in order, by Philox4x32-10. */
export class RandomWords {
  private readonly input: PhiloxInput;
  private readonly words = new Uint32Array(BLOCK_WORDS);
  private block = 0;
  private position = BLOCK_WORDS;

  constructor(key: RandomKey) {
    this.input = philoxInput(key);
  }

  /** The next four words; overwritten by the next call. */
  nextBlock(): Uint32Array {
    invariant(this.block < TWO_32, 'a key gives 2^34 words');
    const { counter1, counter2, counter3, key0, key1 } = this.input;
    philox4x32(this.words, this.block++, counter1, counter2, counter3, key0, key1);
    return this.words;
  }

  /** A uint32. Do not mix with nextBlock. */
  next(): number {
    if (this.position === BLOCK_WORDS) {
      this.nextBlock();
      this.position = 0;
    }
    return this.words[this.position++] as number;
  }

  /** Uniform over 0 .. bound - 1, without bias (Lemire, "Fast random integer generation in an interval", 2019). */
  below(bound: number): number {
    invariant(
      Number.isInteger(bound) && bound >= 1 && bound < TWO_32,
      `a bound is a uint32 from 1: ${bound}`,
    );
    let word = this.next();
    let fraction = Math.imul(word, bound) >>> 0;
    if (fraction < bound) {
      const excess = (TWO_32 - bound) % bound;
      while (fraction < excess) {
        word = this.next();
        fraction = Math.imul(word, bound) >>> 0;
      }
    }
    return mulHigh(word, bound) >>> 0;
  }
}

/** Fills `out` with one value a word, rounded to float32. */
function fill(out: Float32Array, key: RandomKey, value: (word: number) => number): void {
  const words = new RandomWords(key);
  for (let i = 0; i < out.length; i += BLOCK_WORDS) {
    const block = words.nextBlock();
    const end = Math.min(BLOCK_WORDS, out.length - i);
    for (let j = 0; j < end; j++) out[i + j] = value(block[j] as number);
  }
}

/** Overwrites `out` with standard normals. A longer `out` starts with the same values as a shorter one. */
export function fillNormal(out: Float32Array, key: RandomKey): void {
  fill(out, key, normalFromWord);
}

/** Overwrites `out` with values uniform over [low, high]. */
export function fillUniform(out: Float32Array, key: RandomKey, low: number, high: number): void {
  const width = (high - low) / TWO_32;
  fill(out, key, (word) => low + (word + 0.5) * width);
}

/** 0 .. n - 1 in random order, each order equally likely (Fisher-Yates). */
export function permutation(n: number, key: RandomKey): Uint32Array {
  const words = new RandomWords(key);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = words.below(i + 1);
    const swapped = order[i] as number;
    order[i] = order[j] as number;
    order[j] = swapped;
  }
  return order;
}
