import type { UpdateRow } from '../../../../proto/index.js';

/**
 * A replica's state, in 32 bits. What the real one promises holds here as well: a shard's gradient depends on the state,
 * the update and the shard only; a sum of them does not depend on order; an update follows from the state and the sum. So a
 * shard that was counted twice or not at all, or a state of another lineage, shows in every later state.
 */
export type Bits = number;

function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15) ^ c, 0x27d4eb2f);
  return (h ^ (h >>> 13)) >>> 0;
}

export const INITIAL_BITS: Bits = 0x5eed;

export const gradient = (bits: Bits, update: number, shard: number): number => mix(bits, update, shard);

export const addUp = (parts: Iterable<number>): number => {
  let sum = 0;
  for (const part of parts) sum = (sum + part) | 0;
  return sum;
};

export const applied = (bits: Bits, update: number, sum: number): Bits => mix(bits, update, sum | 0);

export const rowOf = (update: number, sum: number): UpdateRow => ({
  update,
  scalars: update % 2 === 0 ? [sum, 0.5, 0.25] : [sum],
  skipped: false,
  skippedSteps: 0,
  redos: 0,
});

export const fingerprintOf = (bits: Bits): string => bits.toString(16).padStart(16, '0');
export const sha256Of = (bits: Bits): string => bits.toString(16).padStart(64, '0');

/** What an undisturbed run comes to. */
export interface Lineage {
  /** The state before each update. */
  readonly states: readonly Bits[];
  readonly rows: readonly UpdateRow[];
}

export function undisturbed(shards: number, steps: number): Lineage {
  const states: Bits[] = [INITIAL_BITS];
  const rows: UpdateRow[] = [];
  let bits = INITIAL_BITS;
  for (let update = 0; update < 2 * steps; update++) {
    const before = bits;
    const sum = addUp(Array.from({ length: shards }, (_, shard) => gradient(before, update, shard)));
    rows.push(rowOf(update, sum));
    bits = applied(bits, update, sum);
    states.push(bits);
  }
  return { states, rows };
}
