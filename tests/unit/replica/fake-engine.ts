import type { Engine } from '../../../worker/engine/index.js';

/** Stands in for an engine: gradients that the test decides by shard. */
export class FakeEngine implements Engine {
  readonly name = 'tfjs-cpu';
  readonly version = 'fake';
  /** Halves computed, as `d` or `g` and the shard. */
  readonly calls: string[] = [];
  private readonly slots = new Map<number, number>();
  value: (shard: number, index: number) => number = (shard, index) => (shard + 1) * 2 ** -10 * (index + 1);

  discriminatorHalf(
    slot: number,
    pixels: Uint8Array,
    _noise: Float32Array,
    out: Float32Array,
  ): Promise<void> {
    const shard = pixels[0] ?? 0;
    this.slots.set(slot, shard);
    return this.fill('d', shard, out);
  }
  generatorHalf(slot: number, out: Float32Array): Promise<void> {
    return this.fill('g', this.slots.get(slot) ?? -1, out);
  }
  generate = (): Promise<Float32Array> => Promise.reject(new Error('not asked for'));
  batchStatistics = this.generate;
  close = (): Promise<void> => Promise.resolve();

  private fill(half: string, shard: number, out: Float32Array): Promise<void> {
    this.calls.push(`${half}${shard}`);
    for (let i = 0; i < out.length; i++) out[i] = this.value(shard, i);
    return Promise.resolve();
  }
}
