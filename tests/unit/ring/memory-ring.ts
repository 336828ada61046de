import { LinkedRing, type LinkedRingOptions } from '../../../worker/ring/linked-ring.js';
import { ManualClock } from './manual-clock.js';
import { memoryLink, type MemoryLink, type MemoryLinkOptions } from './memory-link.js';
import { seededRandom } from './random.js';

export interface MemoryRing {
  /** By rank. */
  readonly rings: readonly LinkedRing[];
  /** links[r] goes from rank r to its successor. */
  readonly links: readonly MemoryLink[];
  readonly clock: ManualClock;
}

export type RingTweaks = Partial<
  Pick<
    LinkedRingOptions,
    'segmentBytes' | 'maxInFlightBytes' | 'onFailure' | 'onMisbehaviour' | 'onSegment' | 'suspended'
  >
>;

export const SILENCE_MS = 800;

/** A world of two or more rings over links in memory. */
export function memoryRing(world: number, link: MemoryLinkOptions = {}, tweaks: RingTweaks = {}): MemoryRing {
  const clock = new ManualClock();
  const links = Array.from({ length: world }, () => memoryLink(link));
  const rings = links.map(
    ({ outgoing }, rank) =>
      new LinkedRing({
        rank,
        world,
        outgoing,
        incoming: at(links, rank + world - 1).incoming,
        names: { predecessor: `rank ${(rank + world - 1) % world}`, successor: `rank ${(rank + 1) % world}` },
        clock,
        silenceMs: SILENCE_MS,
        ...tweaks,
      }),
  );
  return { rings, links, clock };
}

/** Element of a ring of things. */
export function at<T>(things: readonly T[], index: number): T {
  return things[index % things.length] as T;
}

/** Vectors of any int32, so that sums wrap, one a rank. */
export function randomVectors(world: number, length: number, seed: number): Int32Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: world }, () => Int32Array.from({ length }, () => random(2 ** 32) | 0));
}

/** The sum that every rank must end with. */
export function sumOf(vectors: readonly Int32Array[]): Int32Array {
  const sum = new Int32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (const [i, value] of vector.entries()) sum[i] = (sum[i] ?? 0) + value;
  return sum;
}
