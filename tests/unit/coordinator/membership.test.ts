import { describe, expect, it } from 'vitest';
import {
  compareStandings,
  decideStart,
  type Candidate,
  type StartQuestion,
} from '../../../coordinator/membership.js';
import { WRONG, checkpointOf, stateBefore } from './driver.js';

/** A worker that answered: at `nextUpdate`, with the rows from `rowsFrom` on. */
function at(
  workerId: string,
  nextUpdate: number | null,
  { rowsFrom = 0, leaving = false, state = '' } = {},
): Candidate {
  const stateFingerprint = nextUpdate === null ? null : state || stateBefore(nextUpdate);
  return {
    member: { workerId, host: '127.0.0.1', port: 4_000 },
    standing: { nextUpdate, stateFingerprint, rowsFrom },
    leaving,
  };
}

const decide = (candidates: readonly Candidate[], rest: Partial<StartQuestion> = {}) =>
  decideStart({
    candidates,
    shards: 4,
    checkpoint: null,
    committed: 0,
    cuts: [],
    fromAgreed: false,
    ...rest,
  });

/** Who hands the state over. */
const sourceOf = (decision: ReturnType<typeof decideStart>): string =>
  decision?.source.kind === 'peer' ? decision.source.peer.workerId : (decision?.source.kind ?? 'nobody');

describe('a ring epoch starts', () => {
  it('not at all without a candidate, or where those that leave hold no more than the checkpoint', () => {
    expect(decide([])).toBeNull();
    expect(decide([at('a', 4, { leaving: true })], { checkpoint: checkpointOf(4) })).toBeNull();
    expect(decide([at('a', 0, { leaving: true })])).toBeNull();
  });

  it('with those that leave as a last world, where they hold more than the checkpoint', () => {
    const leavers = [at('a', 6, { leaving: true }), at('b', 6, { leaving: true })];
    expect(decide(leavers, { checkpoint: checkpointOf(4) })).toMatchObject({
      world: ['a', 'b'],
      nextUpdate: 6,
    });
  });

  it('at the beginning when nobody has a state and there is no checkpoint', () => {
    expect(decide([at('a', null), at('b', null)])).toEqual({
      ...{ world: ['a', 'b'], spares: [], nextUpdate: 0, stateFingerprint: null },
      ...{ source: { kind: 'initial' }, from: 'the beginning' },
    });
  });

  it('at the most advanced state, which the others take over', () => {
    const decision = decide([at('a', 5), at('b', 6), at('c', null)], { committed: 6 });
    expect(decision).toMatchObject({ nextUpdate: 6, stateFingerprint: stateBefore(6) });
    expect(sourceOf(decision)).toBe('b');
  });

  it('at the checkpoint when that is newer than all states', () => {
    const decision = decide([at('a', 5), at('b', null)], { checkpoint: checkpointOf(6), committed: 6 });
    expect(decision).toMatchObject({ nextUpdate: 6, from: 'the checkpoint of step 3' });
    expect(decision?.source).toMatchObject({ kind: 'checkpoint', object: 'state-3' });
  });

  it('where the workers stand when the checkpoint is as new: nothing has to be fetched', () => {
    expect(sourceOf(decide([at('a', 6)], { checkpoint: checkpointOf(6), committed: 6 }))).toBe('a');
  });

  it('at what all agreed on when nothing newer is to be trusted', () => {
    const candidates = [at('a', 9), at('b', 9)];
    expect(sourceOf(decide(candidates, { checkpoint: checkpointOf(6), fromAgreed: true }))).toBe(
      'checkpoint',
    );
    expect(sourceOf(decide(candidates, { fromAgreed: true }))).toBe('initial');
  });
});

describe('rows of the history', () => {
  it('that are missing take the run back to the checkpoint', () => {
    const question = { checkpoint: checkpointOf(6), committed: 6 };
    expect(sourceOf(decide([at('a', 9, { rowsFrom: 7 })], question))).toBe('checkpoint');
    expect(sourceOf(decide([at('a', 9, { rowsFrom: 6 })], question))).toBe('a');
  });

  it('are not missing up to what is committed', () => {
    expect(sourceOf(decide([at('a', 6, { rowsFrom: 6 })], { committed: 8 }))).toBe('a');
  });

  it('are with the one that holds the most of them', () => {
    const candidates = [at('a', 9, { rowsFrom: 8 }), at('b', 9, { rowsFrom: 6 })];
    expect(sourceOf(decide(candidates, { committed: 6 }))).toBe('b');
  });

  it('would be lost with a leaver, if nobody took its state over', () => {
    const leaver = at('a', 9, { leaving: true });
    const question = { checkpoint: checkpointOf(6), committed: 6 };
    // b stands there already and keeps its own log, which begins too late.
    expect(sourceOf(decide([leaver, at('b', 9, { rowsFrom: 8 })], question))).toBe('checkpoint');
    expect(sourceOf(decide([leaver, at('b', 9, { rowsFrom: 6 })], question))).toBe('a');
    expect(sourceOf(decide([leaver, at('b', 8, { rowsFrom: 6 })], question))).toBe('a');
  });
});

describe('the state is handed over', () => {
  it('by a member of the world rather than by a leaver', () => {
    expect(sourceOf(decide([at('a', 6, { leaving: true }), at('b', 6)], { committed: 6 }))).toBe('b');
  });

  it('by a leaver that stands further on', () => {
    const decision = decide([at('a', 6, { leaving: true }), at('b', 5)], { committed: 6 });
    expect(decision).toMatchObject({ world: ['b'], nextUpdate: 6 });
    expect(sourceOf(decision)).toBe('a');
  });

  it('by one that most others can reach', () => {
    const cuts = [{ a: 'a', b: 'd', untilMs: 0 }];
    const candidates = [at('a', 6), at('b', 6), at('c', 6), at('d', null)];
    expect(sourceOf(decide(candidates, { cuts, committed: 6 }))).toBe('b');
  });
});

describe('the world', () => {
  it('has a member a shard at most, the longest known first; the rest are spares', () => {
    const candidates = ['a', 'b', 'c'].map((id) => at(id, null));
    expect(decide(candidates, { shards: 2 })).toMatchObject({ world: ['a', 'b'], spares: ['c'] });
  });

  it('has no room for a leaver', () => {
    const candidates = [at('a', 2, { leaving: true }), at('b', 2)];
    expect(decide(candidates)).toMatchObject({ world: ['b'], spares: [] });
  });
});

describe('standings', () => {
  it('agree when equals have the same state, whatever those behind have', () => {
    expect(compareStandings([])).toBeNull();
    expect(compareStandings([at('a', null), at('b', null)])).toBeNull();
    expect(compareStandings([at('a', 4), at('b', 4), at('c', 3, { state: WRONG })])).toBeNull();
  });

  it('differ when two of the most advanced do', () => {
    const mismatch = compareStandings([at('a', 4), at('b', 3), at('c', 4, { state: WRONG })]);
    expect(mismatch?.update).toBe(4);
    expect([...(mismatch?.fingerprints ?? [])]).toEqual([
      ['a', stateBefore(4)],
      ['c', WRONG],
    ]);
  });
});
