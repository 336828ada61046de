import { describe, expect, it } from 'vitest';
import { PROTOCOL_VERSION } from '../../../proto/index.js';
import { DRAFT, Driver, ENGINE_FINGERPRINT, checkpointOf, stateBefore } from './driver.js';

describe('the first world', () => {
  it('takes the engine of the first worker and freezes the spec by the first fingerprint', () => {
    const run = new Driver();
    const spec = { ...DRAFT, engine: 'onnx-cpu' };
    expect(run.hello('a')).toEqual([{ kind: 'welcome', workerId: 'a', spec, device: null }]);
    expect(run.ready('a')).toEqual([]);
    expect(run.state.spec).toEqual({ ...spec, engineFingerprint: ENGINE_FINGERPRINT });
  });

  it('waits for all expected, then asks everybody where it stands', () => {
    const run = new Driver();
    run.come('a');
    expect(run.come('b')).toEqual([{ kind: 'survey', survey: 1, ringEpoch: 0 }]);
    expect(run.stand('a', null)).toEqual([]);
    expect(run.stand('b', null)).toMatchObject([
      { kind: 'writeRing', world: ['a', 'b'], spares: [], nextUpdate: 0, source: { kind: 'initial' } },
    ]);
    expect(run.ring.reason).toBe('first world; 2 workers from step 0, the beginning');
  });

  it('starts every member and assigns `prefetch` steps, shards dealt round-robin', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    expect(run.of('start').map(({ workerId }) => workerId)).toEqual(['a', 'b']);
    expect(run.assigned()).toEqual(['0/0 a', '0/1 b', '0/2 a', '0/3 b', '1/0 a', '1/1 b', '1/2 a', '1/3 b']);
  });

  it('goes on without those expected that do not come in time, and says so', () => {
    const run = new Driver();
    run.come('a');
    run.pass(59_750);
    expect(run.phase).toBe('gathering');
    run.pass(250);
    run.stand('a', null);
    expect(run.ring).toMatchObject({ world: ['a'] });
    expect(run.ring.reason).toMatch(/^only 1 of 2 workers came within 60 s; 1 worker from step 0/);
  });

  it.each([
    ['none came', 0],
    ['1 came and none was ready', 1],
  ])('gives up when nobody is ready in time: %s', (words, workers) => {
    const run = new Driver();
    if (workers === 1) run.hello('a');
    run.pass(60_000);
    expect(run.phase).toBe('gathering');
    run.pass(250);
    expect(run.ended()).toMatchObject({ outcome: 'failed', exitStatus: 1 });
    expect(run.ended()?.message).toContain(`a worker was expected within 60 s, ${words}`);
  });

  it('begins at the checkpoint when there is one and nobody holds a state', () => {
    const run = new Driver({ recorded: { checkpoint: checkpointOf(6) } });
    run.train('a', 'b');
    expect(run.state.epoch).toMatchObject({
      nextUpdate: 6,
      source: { kind: 'checkpoint', object: 'state-3', update: 6 },
    });
    expect(run.state.committed).toBe(6);
    run.report('a', [6, 7]);
    expect(run.of('append')).toMatchObject([{ rows: [{ update: 6 }, { update: 7 }] }]);
  });

  it('keeps workers beyond the shards as spares and says so', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    run.train('a', 'b', 'c', 'd', 'e');
    expect(run.state.epoch).toMatchObject({ world: ['a', 'b', 'c', 'd'], spares: ['e'] });
    expect(run.state.epoch?.reason).toMatch(/, e spare$/);
  });
});

describe('what is lost on its way', () => {
  it('is asked for again: a survey with each tick, until all have answered', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.stand('a', null);
    expect(run.tick()).toEqual([{ kind: 'survey', survey: 1, ringEpoch: 0 }]);
    run.stand('b', null);
    expect(run.tick()).toEqual([]);
  });

  it('is sent again: a start after half a second, to those that have not begun', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    run.started('a');
    run.nowMs = 499;
    expect(run.tick()).toEqual([]);
    run.nowMs = 500;
    expect(run.tick()).toEqual([{ kind: 'start', workerId: 'b' }]);
    expect(run.tick()).toEqual([]);
  });

  it('is welcomed again: a second hello changes nothing', () => {
    const run = new Driver();
    run.come('a');
    const { workers } = run.state;
    expect(run.hello('a')).toMatchObject([{ kind: 'welcome', workerId: 'a' }]);
    expect(run.state.workers).toEqual(workers);
  });

  it('is found out: whoever is unknown, or not ready and surveyed, is asked for a hello', () => {
    const run = new Driver();
    expect(run.heartbeat('a')).toEqual([{ kind: 'announce' }]);
    run.hello('a');
    expect(run.heartbeat('a')).toEqual([]);
    expect(run.stand('a', null)).toEqual([{ kind: 'announce' }]);
  });

  it('counts only in this run, this survey and under this lead', () => {
    const run = new Driver();
    run.hello('a');
    expect(run.ready('a', { runId: 'another' })).toEqual([]);
    expect(run.state.workers.get('a')?.ready).toBe(false);
    run.ready('a');
    run.come('b');
    run.stand('a', null, { survey: 0 });
    run.stand('a', null, { term: 2 });
    expect(run.stand('b', null)).toEqual([]);
    expect(run.stand('a', null)).toMatchObject([{ kind: 'writeRing' }]);
  });
});

describe('a word from the ring epoch before', () => {
  it('makes nobody a member that has begun', () => {
    const run = new Driver();
    run.come('a');
    run.come('b');
    run.allStand(null, 'a', 'b');
    run.written();
    const message = { workerId: 'a', ringEpoch: 6, nextUpdate: 0, stateFingerprint: stateBefore(0) };
    run.send({ kind: 'started', message });
    expect(run.state.epoch?.started.size).toBe(0);
  });
});

describe('a worker is refused', () => {
  it('for another protocol, in words', () => {
    const run = new Driver();
    run.hello('a', { protocol: PROTOCOL_VERSION + 1 });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'a', code: 'protocol' }]);
    expect(run.said()).toMatch(
      new RegExp(`protocol ${PROTOCOL_VERSION} was expected, the worker speaks ${PROTOCOL_VERSION + 1}`),
    );
    expect(run.state.workers.size).toBe(0);
  });

  it.each([
    [true, /a ring without TLS was expected, as a has it, b came with: give all workers/],
    [false, /a ring with TLS was expected, as a has it, b came without: give all workers/],
  ])('when its ring speaks TLS and those of the others do not, or the reverse (%s)', (tls, words) => {
    const run = new Driver();
    const ring = { host: '127.0.0.1', port: 4_000 };
    run.hello('a', { ring: { ...ring, tls: !tls } });
    run.hello('b', { ring: { ...ring, tls } });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'b', code: 'usage' }]);
    expect(run.said()).toMatch(words);
    run.hello('c', { ring: { ...ring, tls: !tls } });
    expect([...run.state.workers.keys()]).toEqual(['a', 'c']);
  });

  it.each([
    [
      'is not usable',
      [{ name: 'onnx-cpu', usable: false, reason: 'not installed', devices: [] }],
      /not installed/,
    ],
    ['is not known', [{ name: 'tfjs-cpu', usable: true, reason: 'there', devices: [] }], /does not know it/],
  ])("when the run's engine %s there", (_, engines, words) => {
    const run = new Driver({ spec: { engine: 'onnx-cpu' } });
    run.hello('a', { engines });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'a', code: 'usage' }]);
    expect(run.said()).toMatch(words);
  });

  it('for another fingerprint, and waits for a better one', () => {
    const run = new Driver();
    run.come('a');
    run.hello('b');
    run.ready('b', { engineFingerprint: 'e'.repeat(64) });
    expect(run.of('refuse')).toMatchObject([{ workerId: 'b', code: 'fingerprint-mismatch' }]);
    expect(run.phase).toBe('gathering');
  });

  it('which ends a run on one machine, but not once it trains', () => {
    const before = new Driver({ plan: { refusalEndsRun: true } });
    before.come('a');
    before.hello('b', { protocol: 1 });
    expect(before.ended()).toMatchObject({ outcome: 'failed', exitStatus: 2 });
    const run = new Driver({ plan: { refusalEndsRun: true } });
    run.train('a', 'b');
    run.hello('c', { protocol: 1 });
    expect(run.phase).toBe('training');
  });
});
