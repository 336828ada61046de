import { describe, expect, it } from 'vitest';
import { Driver, checkpointOf } from './driver.js';

/** A coordinator that takes over a run of a and b, at work beyond its checkpoint. */
const takesOver = (): Driver =>
  new Driver({ recorded: { ringEpoch: 41, world: ['a', 'b'], checkpoint: checkpointOf(4) } });

describe('a coordinator that takes the lead of a run at work', () => {
  it('surveys as soon as the world that the store tells of has answered', () => {
    const run = takesOver();
    run.come('a', { nextUpdate: 9 });
    expect(run.of('survey')).toEqual([]);
    run.come('b', { nextUpdate: 9 });
    expect(run.of('survey')).toEqual([{ kind: 'survey', survey: 1, ringEpoch: 41 }]);
  });

  it('waits half a second for those of that world that do not come', () => {
    const run = takesOver();
    run.come('a', { nextUpdate: 9 });
    run.nowMs += 499;
    run.tick();
    expect(run.phase).toBe('gathering');
    run.nowMs += 1;
    run.tick();
    expect(run.phase).toBe('surveying');
  });

  it('goes on where the workers stand, and their rows are told again', () => {
    const run = takesOver();
    run.come('a', { nextUpdate: 9 });
    run.come('b', { nextUpdate: 9 });
    for (const id of ['a', 'b']) run.stand(id, 9, { rowsFrom: 4 });
    expect(run.ring).toMatchObject({
      world: ['a', 'b'],
      nextUpdate: 9,
      source: { kind: 'peer' },
      cause: { kind: 'coordinator', text: 'a coordinator took the lead' },
    });
    run.begin();
    expect(run.state.committed).toBe(4);
    expect(run.state.recordedWorld).toEqual(['a', 'b']);
    run.report('a', [4, 5, 6, 7, 8], { nextUpdate: 9 });
    expect(run.of('append')[0]?.rows.map(({ update }) => update)).toEqual([4, 5, 6, 7, 8]);
  });

  it('goes back to the checkpoint where rows are missing', () => {
    const run = takesOver();
    run.come('a', { nextUpdate: 9 });
    run.come('b', { nextUpdate: 9 });
    for (const id of ['a', 'b']) run.stand(id, 9, { rowsFrom: 6 });
    expect(run.ring).toMatchObject({ nextUpdate: 4, source: { kind: 'checkpoint' } });
  });

  it('waits for the expected workers where nobody holds a state, and no half second', () => {
    const run = takesOver();
    run.come('a');
    run.pass(1_000);
    expect(run.phase).toBe('gathering');
    run.come('c');
    expect(run.phase).toBe('surveying');
    run.allStand(null, 'a', 'c');
    expect(run.ring).toMatchObject({ nextUpdate: 4, cause: { kind: 'first' } });
  });

  it('that is asked to stop before anybody came says what is kept', () => {
    const run = takesOver();
    run.stop();
    expect(run.ended()?.message).toMatch(/without a worker at work; the last good checkpoint/);
  });

  it('keeps what one holds that leaves just then', () => {
    const run = new Driver({ recorded: { ringEpoch: 41, world: ['a'], checkpoint: checkpointOf(4) } });
    run.hello('a');
    expect(run.leaves('a')).toEqual([]);
    run.ready('a', { nextUpdate: 9 });
    expect(run.leaves('a')).toEqual([]);
    run.stand('a', 9, { rowsFrom: 4, begunIn: 41 });
    expect(run.ring).toMatchObject({ world: ['a'], nextUpdate: 9 });
    run.begin();
    run.tick();
    run.completeCheckpoint();
    expect(run.state.checkpoint?.update).toBe(10);
    expect(run.of('release')).toHaveLength(1);
  });

  it('gives its tasks names of its own term', () => {
    const run = new Driver({ plan: { checkpointEveryMs: 500 } });
    run.train('a', 'b');
    run.pass(500);
    expect(run.of('takeCheckpoint')[0]?.task).toMatch(/^checkpoint-3-/);
  });
});
