import { describe, expect, it } from 'vitest';
import { advance } from '../../../coordinator/run-machine.js';
import {
  initialRunState,
  type RunCommand,
  type RunEvent,
  type RunPlan,
  type RunState,
} from '../../../coordinator/run-state.js';
import type { CheckpointRecord } from '../../../coordinator/membership.js';
import {
  NO_TOTALS,
  PROTOCOL_VERSION,
  RECIPES,
  TUTORIAL_MODEL,
  type RunSpecDraft,
  type UpdateRow,
} from '../../../proto/index.js';

const draft: RunSpecDraft = {
  version: 1,
  seed: 1,
  model: TUTORIAL_MODEL,
  recipe: RECIPES['tutorial']!.recipe,
  dataset: { name: 'MNIST', sha256: 'a'.repeat(64), images: 1_000 },
  shards: 4,
  shardBatch: 10,
  engine: 'auto',
};
const plan: RunPlan = {
  runId: 'run',
  steps: 6,
  prefetch: 2,
  expectedWorkers: 2,
  waitWorkersMs: 60_000,
  checkpointEveryMs: 30_000,
  refusalEndsRun: false,
};
const FINGERPRINT = 'f'.repeat(64);
const STATE = '0123456789abcdef';

/** Drives the machine by hand: a clock, the commands of the last event, and what workers would say. */
class Driver {
  state: RunState;
  commands: readonly RunCommand[] = [];
  nowMs = 0;

  constructor(options: { plan?: Partial<RunPlan>; checkpoint?: CheckpointRecord } = {}) {
    this.state = initialRunState({ ...plan, ...options.plan }, draft, options.checkpoint ?? null, 0);
  }

  send(event: RunEvent): readonly RunCommand[] {
    const { state, commands } = advance(this.state, event, this.nowMs);
    this.state = state;
    this.commands = commands;
    return commands;
  }

  kinds(): string[] {
    return this.commands.map((command) => command.kind);
  }

  hello(workerId: string, usable = true, protocol = PROTOCOL_VERSION): readonly RunCommand[] {
    const engines = [{ name: 'onnx-cpu', usable, reason: usable ? 'there' : 'not installed' }];
    const ring = { host: '127.0.0.1', port: 4_000 };
    return this.send({
      kind: 'hello',
      message: { protocol, workerId, hostname: 'host', pid: 1, ring, engines, engine: 'onnx-cpu' },
    });
  }

  ready(workerId: string, engineFingerprint = FINGERPRINT): readonly RunCommand[] {
    return this.send({
      kind: 'ready',
      message: { workerId, runId: 'run', engine: 'onnx-cpu', engineVersion: '1', engineFingerprint },
    });
  }

  standing(workerId: string): readonly RunCommand[] {
    return this.send({
      kind: 'standing',
      message: { workerId, survey: this.state.surveys, nextUpdate: null, stateFingerprint: null },
    });
  }

  /** Brings a world up to its first assignments. */
  start(...workers: string[]): void {
    for (const id of workers) this.hello(id);
    for (const id of workers) this.ready(id);
    let written: readonly RunCommand[] = [];
    for (const id of workers) written = this.standing(id);
    const ring = written.find((command) => command.kind === 'writeRing');
    if (ring?.kind !== 'writeRing') throw new Error(`no ring was written: ${this.kinds().join()}`);
    const { world, spares, nextUpdate, source } = ring;
    this.send({
      kind: 'ringWritten',
      epoch: { ringEpoch: 7, world, spares, nextUpdate, source, secret: 'ab'.repeat(32) },
    });
  }

  report(
    workerId: string,
    updates: readonly number[],
    extra: { fingerprint?: string; row?: Partial<UpdateRow> } = {},
  ): readonly RunCommand[] {
    const nextUpdate = (updates.at(-1) ?? this.state.committed - 1) + 1;
    return this.send({
      kind: 'report',
      message: {
        workerId,
        ringEpoch: 7,
        nextUpdate,
        rows: updates.map((update) => ({
          update,
          scalars: [1],
          skipped: false,
          skippedSteps: 0,
          redos: 0,
          ...extra.row,
        })),
        fingerprints:
          extra.fingerprint === undefined ? [] : [{ update: nextUpdate, fingerprint: extra.fingerprint }],
        totals: { ...NO_TOTALS, shardsComputed: 1 },
      },
    });
  }

  assigned(): string[] {
    return this.commands.flatMap((c) => (c.kind === 'assign' ? [`${c.step}/${c.shard} ${c.workerId}`] : []));
  }

  ended(): { outcome: string; exitStatus: number; message: string } | undefined {
    const end = this.commands.find((command) => command.kind === 'end');
    return end?.kind === 'end' ? end : undefined;
  }
}

describe('the first world', () => {
  it('resolves the engine by the first worker, freezes the spec by the first fingerprint, waits for all expected', () => {
    const run = new Driver();
    expect(run.hello('a')).toEqual([
      { kind: 'welcome', workerId: 'a', spec: { ...draft, engine: 'onnx-cpu' } },
    ]);
    expect(run.ready('a')).toEqual([]);
    expect(run.state.spec).toEqual({ ...draft, engine: 'onnx-cpu', engineFingerprint: FINGERPRINT });
    run.hello('b');
    expect(run.ready('b')).toEqual([{ kind: 'survey', survey: 1, ringEpoch: 0 }]);
    expect(run.standing('a')).toEqual([]);
    expect(run.standing('b')).toMatchObject([
      { kind: 'writeRing', world: ['a', 'b'], spares: [], nextUpdate: 0, source: { kind: 'initial' } },
    ]);
  });

  it('starts every member and assigns `prefetch` steps, shards dealt round-robin', () => {
    const run = new Driver();
    run.start('a', 'b');
    expect(run.kinds().filter((kind) => kind === 'start')).toHaveLength(2);
    expect(run.assigned()).toEqual(['0/0 a', '0/1 b', '0/2 a', '0/3 b', '1/0 a', '1/1 b', '1/2 a', '1/3 b']);
  });

  it('keeps workers beyond the shards as spares and says so', () => {
    const run = new Driver({ plan: { expectedWorkers: 5 } });
    run.start('a', 'b', 'c', 'd', 'e');
    expect(run.state.epoch).toMatchObject({ world: ['a', 'b', 'c', 'd'], spares: ['e'] });
    expect(run.commands.find((c) => c.kind === 'say')).toMatchObject({
      text: expect.stringContaining('e kept as spare') as string,
    });
  });

  it('surveys again while an answer is missing, and asks the silent worker of a start again', () => {
    const run = new Driver();
    run.hello('a');
    run.hello('b');
    run.ready('a');
    run.ready('b');
    run.standing('a');
    expect(run.send({ kind: 'tick' })).toEqual([{ kind: 'survey', survey: 1, ringEpoch: 0 }]);
    const started = new Driver();
    started.start('a', 'b');
    started.send({
      kind: 'started',
      message: { workerId: 'a', ringEpoch: 7, nextUpdate: 0, stateFingerprint: STATE },
    });
    started.nowMs = 600;
    expect(started.send({ kind: 'tick' })).toEqual([{ kind: 'start', workerId: 'b' }]);
  });

  it('goes on from the checkpoint when there is one', () => {
    const checkpoint = {
      update: 6,
      object: 'state-3',
      sha256: 'c'.repeat(64),
      stateFingerprint: STATE,
      historyObject: 'h',
    };
    const run = new Driver({ checkpoint });
    run.start('a', 'b');
    expect(run.state.epoch).toMatchObject({
      nextUpdate: 6,
      source: { kind: 'checkpoint', object: 'state-3', update: 6 },
    });
    expect(run.assigned()[0]).toBe('3/0 a');
  });

  it('gives up when too few workers come in time', () => {
    const run = new Driver();
    run.hello('a');
    run.ready('a');
    run.nowMs = 5_000;
    run.send({
      kind: 'heartbeat',
      message: { workerId: 'a', runId: 'run', ringEpoch: 0, nextUpdate: 0, phase: 'idle' },
    });
    run.state = { ...run.state, phase: { kind: 'gathering', sinceMs: -60_000 } };
    run.send({ kind: 'tick' });
    expect(run.ended()).toMatchObject({
      outcome: 'failed',
      exitStatus: 1,
      message: expect.stringContaining('found 1 ready') as string,
    });
  });
});

describe('refusals', () => {
  it.each([
    ['another protocol', (run: Driver) => run.hello('a', true, PROTOCOL_VERSION + 1), 'protocol'],
    ['an engine that is not there', (run: Driver) => run.hello('a', false), 'usage'],
  ])('refuses %s', (_, act, code) => {
    const run = new Driver();
    act(run);
    expect(run.commands[0]).toMatchObject({ kind: 'refuse', code });
    expect(run.state.workers.size).toBe(0);
  });

  it('refuses another fingerprint, and ends a local run by it', () => {
    const run = new Driver();
    run.hello('a');
    run.hello('b');
    run.ready('a');
    run.ready('b', 'e'.repeat(64));
    expect(run.commands[0]).toMatchObject({ kind: 'refuse', workerId: 'b', code: 'fingerprint-mismatch' });
    expect(run.ended()).toBeUndefined();
    const local = new Driver({ plan: { refusalEndsRun: true } });
    local.hello('a');
    local.hello('b');
    local.ready('a');
    local.ready('b', 'e'.repeat(64));
    expect(local.ended()).toMatchObject({ outcome: 'failed', exitStatus: 2 });
  });
});

describe('training', () => {
  it('commits rows once, in order, whoever reports them, and assigns on', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.report('a', [0, 1]);
    expect(run.commands[0]).toMatchObject({ kind: 'append', rows: [{ update: 0 }, { update: 1 }] });
    expect(run.assigned()).toEqual(['2/0 a', '2/1 b', '2/2 a', '2/3 b']);
    run.report('b', [0, 1, 2]);
    expect(run.commands).toMatchObject([{ kind: 'append', rows: [{ update: 2 }] }]);
    run.report('b', [4]); // a gap: the row before has not come
    expect(run.state.committed).toBe(3);
  });

  it('drops reports of another ring epoch', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.state = { ...run.state, epoch: { ...run.state.epoch!, ringEpoch: 8 } };
    expect(run.report('a', [0, 1])).toEqual([]);
    expect(run.state.committed).toBe(0);
  });

  it('sends again what a worker lacks, but only its own shards of assigned steps', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.send({ kind: 'need', message: { workerId: 'b', ringEpoch: 7, step: 1, shards: [1, 2] } });
    expect(run.assigned()).toEqual(['1/1 b']);
    expect(
      run.send({ kind: 'need', message: { workerId: 'b', ringEpoch: 7, step: 2, shards: [1] } }),
    ).toEqual([]);
  });

  it('ends with both sides named when two replicas differ', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.report('a', [0, 1], { fingerprint: STATE });
    run.report('b', [0, 1], { fingerprint: 'fedcba9876543210' });
    expect(run.ended()?.message).toMatch(
      /replicas differ before update 2 \(a 0123456789abcdef, b fedcba9876543210\)/,
    );
  });

  it('ends after ten steps in a row with a skipped update', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.report('a', [0, 1], { row: { skipped: true, scalars: [null], skippedSteps: 9 } });
    expect(run.ended()).toBeUndefined();
    run.report('a', [2, 3], { row: { skipped: true, scalars: [null], skippedSteps: 10 } });
    expect(run.ended()?.message).toMatch(/not finite in 10 steps in a row/);
  });

  it('ends with the last checkpoint named when a member is lost, whether it says goodbye, fails or falls silent', () => {
    const lose: ((run: Driver) => void)[] = [
      (run) => run.send({ kind: 'goodbye', message: { workerId: 'b', reason: 'killed by SIGKILL' } }),
      (run) =>
        run.send({
          kind: 'failure',
          message: { workerId: 'b', ringEpoch: 7, code: 'ring-peer-lost', message: 'link ended' },
        }),
      (run) => {
        run.nowMs = 11_000;
        run.send({ kind: 'tick' });
      },
    ];
    for (const act of lose) {
      const run = new Driver();
      run.start('a', 'b');
      act(run);
      expect(run.ended()).toMatchObject({
        outcome: 'failed',
        exitStatus: 1,
        message: expect.stringContaining('checkpoint') as string,
      });
    }
  });

  it('takes a checkpoint when one is due, one at a time, and goes on when it fails', () => {
    const run = new Driver();
    run.start('a', 'b');
    run.nowMs = 30_000;
    for (const workerId of ['a', 'b']) {
      run.send({
        kind: 'started',
        message: { workerId, ringEpoch: 7, nextUpdate: 0, stateFingerprint: STATE },
      });
    }
    run.send({ kind: 'tick' });
    expect(run.commands).toMatchObject([{ kind: 'takeCheckpoint', workerId: 'a', task: 'checkpoint-1' }]);
    expect(run.send({ kind: 'tick' })).toEqual([]);
    run.send({ kind: 'taskFailed', message: { workerId: 'a', task: 'checkpoint-1', message: 'disk full' } });
    expect(run.commands).toMatchObject([{ kind: 'say', level: 'warning' }]);
    expect(run.state.phase.kind).toBe('training');
  });
});

/** Carries a run from its last commit to the end, checking each stage. */
function finish(run: Driver, outcome: 'done' | 'interrupted', update: number): void {
  expect(run.commands.filter((c) => c.kind === 'settle')).toHaveLength(2);
  run.report('a', [], { fingerprint: STATE });
  run.report('b', [], { fingerprint: STATE });
  const take = run.commands.find((c) => c.kind === 'takeCheckpoint');
  if (take?.kind !== 'takeCheckpoint') throw new Error(`a checkpoint was expected: ${run.kinds().join()}`);
  const file = { name: 'state', bytes: 1, sha256: 'd'.repeat(64) };
  run.send({
    kind: 'checkpointed',
    message: { workerId: 'a', task: take.task, update, file, stateFingerprint: STATE },
  });
  expect(run.kinds()).toEqual(['commitCheckpoint']);
  const record = {
    update,
    object: 'state',
    sha256: file.sha256,
    stateFingerprint: STATE,
    historyObject: 'h',
  };
  run.send({ kind: 'checkpointCommitted', record });
  if (outcome === 'done') {
    expect(run.kinds()).toEqual(['export']);
    run.send({ kind: 'exported', message: { workerId: 'a', task: 'export-2', update, files: [file] } });
  }
  expect(run.commands).toMatchObject([{ kind: 'writeResult', outcome }]);
  run.send({ kind: 'resultWritten' });
}

describe('the end', () => {
  it('settles, takes a checkpoint of the last update, exports, writes, ends with 0', () => {
    const run = new Driver({ plan: { steps: 1 } });
    run.start('a', 'b');
    run.report('a', [0, 1]);
    finish(run, 'done', 2);
    expect(run.ended()).toMatchObject({ outcome: 'done', exitStatus: 0 });
  });

  it('stops after the assigned steps when asked to, with a checkpoint and 130', () => {
    const run = new Driver();
    run.start('a', 'b');
    expect(run.send({ kind: 'stopRequested' })).toEqual([]);
    run.report('a', [0, 1, 2, 3]);
    expect(run.assigned()).toEqual([]);
    finish(run, 'interrupted', 4);
    expect(run.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
  });

  it('ends at once when asked to before the first step', () => {
    const run = new Driver();
    run.hello('a');
    run.send({ kind: 'stopRequested' });
    expect(run.ended()).toMatchObject({ outcome: 'interrupted', exitStatus: 130 });
    expect(run.hello('b')).toEqual([]);
  });

  it('waits for a checkpoint under way and takes another when it was of an earlier update', () => {
    const run = new Driver({ plan: { steps: 2 } });
    run.start('a', 'b');
    run.nowMs = 30_000;
    for (const workerId of ['a', 'b']) {
      run.send({
        kind: 'started',
        message: { workerId, ringEpoch: 7, nextUpdate: 0, stateFingerprint: STATE },
      });
    }
    run.send({ kind: 'tick' });
    expect(run.kinds()).toEqual(['takeCheckpoint']);
    run.report('a', [0, 1, 2, 3]);
    run.report('a', [], { fingerprint: STATE });
    run.report('b', [], { fingerprint: STATE });
    expect(run.kinds()).toEqual([]);
    const record = {
      update: 2,
      object: 'state',
      sha256: 'd'.repeat(64),
      stateFingerprint: STATE,
      historyObject: 'h',
    };
    run.send({ kind: 'checkpointCommitted', record });
    expect(run.commands).toMatchObject([{ kind: 'takeCheckpoint', task: 'checkpoint-2' }]);
  });
});
