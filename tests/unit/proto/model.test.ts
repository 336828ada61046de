import { describe, expect, it } from 'vitest';
import { TUTORIAL_MODEL, maxShardBatch, modelLayout, updateLayout } from '../../../proto/index.js';

describe("the tutorial's model", () => {
  const layout = modelLayout(TUTORIAL_MODEL);

  it('has as many parameters as the tutorial says', () => {
    expect(layout.generator.size).toBe(1_510_032);
    expect(layout.discriminator.size).toBe(533_505);
    expect(layout.statisticCount).toBe(2 * (256 + 512 + 1024));
  });

  it.each(['generator', 'discriminator'] as const)(
    'lays the %s and its update out without gap or overlap',
    (network) => {
      const { tensors, size } = layout[network];
      expect(tensors.reduce((end, tensor) => (expect(tensor.offset).toBe(end), end + tensor.size), 0)).toBe(
        size,
      );
      const update = updateLayout(layout, network);
      expect(
        update.tensors.reduce((end, tensor) => (expect(tensor.offset).toBe(end), end + tensor.size), 0),
      ).toBe(update.floatLength);
      expect(update.length).toBe(update.floatLength + 2 * update.tensors.length);
    },
  );

  it('carries batch statistics with the discriminator only', () => {
    expect(updateLayout(layout, 'discriminator').statisticsLength).toBe(layout.statisticCount);
    expect(updateLayout(layout, 'generator').statisticsLength).toBe(0);
  });

  it('lets shards of up to 1,337 images into a message', () => {
    expect(maxShardBatch(784)).toBe(1_337);
  });
});
