import { describe, expect, it } from 'vitest';
import { History } from '../../../coordinator/history.js';
import type { UpdateRow } from '../../../proto/index.js';

const row = (update: number, scalars: (number | null)[], extra: Partial<UpdateRow> = {}): UpdateRow => ({
  update,
  scalars,
  skipped: false,
  skippedSteps: 0,
  redos: 0,
  ...extra,
});

function threeSteps(): History {
  const history = new History();
  history.append([row(0, [1.5, 0.5, 0.25], { redos: 1 }), row(1, [0.75])], 0.5);
  history.append([row(2, [1.25, 0.5, 0.5])], 1);
  history.append([row(3, [null], { skipped: true, skippedSteps: 1 }), row(4, [1, 1, 0]), row(5, [2])], 1.5);
  return history;
}

describe('the history', () => {
  it('tells a row a step, timing last', () => {
    expect(threeSteps().toCsv(2).trimEnd().split('\n')).toEqual([
      'step,epoch,discriminator_loss,generator_loss,discriminator_real,discriminator_fake,skipped_updates,redos,elapsed_s',
      '0,1,1.5,0.75,0.5,0.25,0,1,0.500',
      '1,1,1.25,,0.5,0.5,1,0,1.500',
      '2,2,1,2,1,0,0,0,1.500',
    ]);
  });

  it('comes back from a checkpoint, cut off at its step', () => {
    const history = threeSteps();
    // As it comes from the store: somewhere within a larger buffer, at any alignment.
    const stored = Buffer.concat([Buffer.of(0), history.encode(3), Buffer.of(0)]).subarray(1, -1);
    expect(History.decode(stored).toCsv(2)).toBe(history.toCsv(2));
    const cut = History.decode(history.encode(1));
    expect(cut.length).toBe(1);
    cut.append([row(2, [1.25, 0.5, 0.5]), row(3, [null], { skipped: true })], 1.5);
    expect(cut.toCsv(2).split('\n')).toEqual([...history.toCsv(2).split('\n').slice(0, 3), '']);
  });

  it('forgets the steps that are told again, and the half of one', () => {
    const history = threeSteps();
    const whole = history.toCsv(2);
    history.append([row(6, [9, 9, 9])], 2);
    history.truncate(1);
    expect([history.length, history.last?.step]).toEqual([1, 0]);
    history.append([row(3, [7])], 1); // its first half is forgotten: nothing of step 3 stands here
    expect(history.last).toMatchObject({ discriminatorLoss: null, generatorLoss: 7 });
    history.truncate(1);
    history.append([row(2, [1.25, 0.5, 0.5]), row(3, [null], { skipped: true, skippedSteps: 1 })], 1.5);
    history.append([row(4, [1, 1, 0]), row(5, [2])], 1.5);
    expect(history.toCsv(2)).toBe(whole);
  });

  it('forgets nothing where nothing stands yet', () => {
    const history = threeSteps();
    history.truncate(7);
    expect(history.length).toBe(3);
  });
});
