import {
  CURVE_COLUMNS,
  MAX_CURVE_POINTS,
  type LiveEvent,
  type LiveMessage,
  type LiveOf,
  type LiveWorker,
} from '../../proto/live.js';

type Status = LiveOf<'now'>['status'];
type Outcome = LiveOf<'ended'>['outcome'];

export interface ScriptedRunOptions {
  readonly steps?: number;
  readonly stepsPerPass?: number;
  readonly shards?: number;
  /** Unix time in ms. */
  readonly clock?: () => number;
}

const PHASES = ['compute', 'compute', 'compute', 'reduce', 'compute', 'update', 'compute', 'wait'];
const SHARD_BATCH = 32;

/** Between 0 and 1, always the same for the same whole number. */
function chance(n: number): number {
  let bits = Math.imul(n ^ 0x9e3779b9, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}

/**
 * A run that nobody trains: numbers drawn by formulas and events told by whoever drives it, as the messages of
 * proto/live.ts. Its methods return what a coordinator would send; `snapshot` what it tells a page that has just come.
 */
export class ScriptedRun {
  readonly runId = 'scripted-feed';
  readonly total: number;
  private readonly stepsPerPass: number;
  private readonly shards: number;
  private readonly clock: () => number;
  private readonly rows: (number | null)[][] = [];
  private readonly events: LiveEvent[] = [];
  private readonly samples: number[] = [];
  private workers: LiveWorker[] = [];
  private coordinator = 'coordinator-1';
  private phase: Status['phase'] = 'gathering';
  private ring = { epoch: 0, reason: '' };
  private checkpoint: { step: number; atMs: number } | null = null;
  private ended: LiveOf<'ended'> | null = null;
  private stepsPerPoint = 1;

  constructor(options: ScriptedRunOptions = {}) {
    this.total = options.steps ?? 9_360;
    this.stepsPerPass = options.stepsPerPass ?? 468;
    this.shards = options.shards ?? 4;
    this.clock = options.clock ?? Date.now;
  }

  get step(): number {
    return this.rows.length;
  }

  hasSample(step: number): boolean {
    return this.samples.includes(step);
  }

  /** How far the run is at `step`, 0 to 1. */
  shareOf(step: number): number {
    return step / this.total;
  }

  snapshot(): LiveMessage[] {
    return [
      {
        kind: 'run',
        runId: this.runId,
        dataset: 'scripted (nothing is trained)',
        recipe: 'tutorial',
        engine: 'onnx-cpu',
        seed: 1,
        shards: this.shards,
        shardBatch: SHARD_BATCH,
        steps: this.total,
        stepsPerPass: this.stepsPerPass,
        coordinator: this.coordinator,
      },
      this.curveFrom(0),
      { kind: 'events', restart: true, events: [...this.events] },
      { kind: 'samples', steps: [...this.samples] },
      this.now(),
      ...(this.ended === null ? [] : [this.ended]),
    ];
  }

  /** A worker comes: into the ring if there is room, else beside it. */
  come(name: string): LiveMessage[] {
    const members = this.members().length;
    const role = members < this.shards ? 'member' : 'spare';
    this.workers.push({
      ...{ name, hostname: `host-${name.at(-1)}`, rank: role === 'member' ? members : null, role },
      ...{ phase: 'idle', step: this.step, images: 0, ringBytes: 0 },
      ...{ waitShare: 0, computeShare: 0, reduceShare: 0, updateShare: 0 },
    });
    if (role === 'spare') return [this.now()];
    return this.reform('info', `${name} joined`);
  }

  /** A worker is killed; a spare takes its place. */
  kill(name: string): LiveMessage[] {
    this.workers = this.workers.filter((worker) => worker.name !== name);
    const words = this.reform('warning', `${name} left: killed in all-gather of step ${this.step}`);
    const told = this.tell(
      'warning',
      `${name} left: killed in all-gather of step ${this.step}: 0.8 s to the next commit`,
    );
    return [...words, told];
  }

  setRole(name: string, role: LiveWorker['role']): LiveMessage[] {
    const rank = (worker: LiveWorker): number | null =>
      role === 'member' || role === 'silent' ? worker.rank : null;
    this.workers = this.workers.map((worker) =>
      worker.name === name ? { ...worker, role, rank: rank(worker) } : worker,
    );
    return [this.now()];
  }

  /** `steps` further, with a sample grid at the end of a pass (and a few early ones), and now and then a checkpoint. */
  advance(steps: number): LiveMessage[] {
    this.phase = 'training';
    const before = this.step;
    const samplesBefore = this.samples.length;
    const end = Math.min(this.total, before + steps);
    while (this.step < end) {
      this.rows.push(rowOf(this.step, this.total));
      const done = this.step;
      if (done === 1 || done % Math.ceil(this.stepsPerPass / 4) === 0) this.samples.push(done);
      if (done % 300 === 0) this.checkpoint = { step: done, atMs: this.clock() };
    }
    this.work(end - before);
    const width = this.stepsPerPoint;
    while (Math.ceil(this.step / this.stepsPerPoint) > MAX_CURVE_POINTS) this.stepsPerPoint *= 2;
    const from = width === this.stepsPerPoint ? Math.floor(before / width) : 0;
    return [
      this.curveFrom(from),
      ...(this.samples.length > samplesBefore
        ? [{ kind: 'samples' as const, steps: [...this.samples] }]
        : []),
      this.now(),
    ];
  }

  say(level: LiveEvent['level'], text: string): LiveMessage[] {
    return [this.tell(level, text)];
  }

  /** The coordinator is another process now, and opens a new ring. */
  restart(): void {
    this.coordinator = `coordinator-${Number(this.coordinator.split('-')[1]) + 1}`;
    this.reform('warning', 'the coordinator was started again');
  }

  end(outcome: Outcome, message: string): LiveMessage[] {
    this.phase = 'ended';
    this.ended = { kind: 'ended', outcome, message };
    return [this.tell(outcome === 'done' ? 'info' : 'error', message), this.now(), this.ended];
  }

  private members(): LiveWorker[] {
    return this.workers.filter(({ role }) => role === 'member');
  }

  private reform(level: LiveEvent['level'], cause: string): LiveMessage[] {
    let rank = 0;
    this.workers = this.workers.map((worker) => {
      const fits = (worker.role === 'member' || worker.role === 'spare') && rank < this.shards;
      return fits ? { ...worker, role: 'member', rank: rank++ } : { ...worker, rank: null };
    });
    const reason = `${cause}; ${rank} workers from step ${this.step}, state from ${this.workers[0]?.name ?? 'nobody'}`;
    this.ring = { epoch: this.ring.epoch + 1, reason };
    this.phase = rank === 0 ? 'gathering' : this.phase === 'gathering' ? 'starting' : this.phase;
    return [this.tell(level, `ring epoch ${this.ring.epoch}: ${reason}`), this.now()];
  }

  private tell(level: LiveEvent['level'], text: string): LiveMessage {
    const event = { seq: this.events.length, atMs: this.clock(), step: this.step, level, text };
    this.events.push(event);
    return { kind: 'events', restart: false, events: [event] };
  }

  /** The members are at it: each at another place of its update. */
  private work(steps: number): void {
    const ring = this.members().length;
    this.workers = this.workers.map((worker, i) => {
      if (worker.role !== 'member') return { ...worker, phase: 'idle' };
      const slow = i === 1 ? 0.1 : 0;
      return {
        ...worker,
        phase: PHASES[Math.floor(chance(this.step * 7 + i) * PHASES.length)] ?? 'wait',
        step: Math.max(0, this.step - (chance(this.step + i * 31) > 0.8 ? 1 : 0)),
        images: worker.images + Math.round((steps * SHARD_BATCH * this.shards) / ring),
        ringBytes: worker.ringBytes + steps * 16_000_000,
        ...{ waitShare: 0.14 - slow, computeShare: 0.62 + slow, reduceShare: 0.17, updateShare: 0.07 },
      };
    });
  }

  private now(): LiveMessage {
    const row = this.rows.at(-1);
    const training = this.phase === 'training';
    const rate = row?.[4] ?? null;
    const perStep = SHARD_BATCH * this.shards;
    return {
      kind: 'now',
      status: {
        runId: this.runId,
        phase: this.phase,
        step: this.step,
        steps: this.total,
        stepsPerPass: this.stepsPerPass,
        imagesPerSecond: training ? rate : null,
        etaS: training && rate !== null ? ((this.total - this.step) * perStep) / rate : null,
        discriminatorLoss: row?.[0] ?? null,
        generatorLoss: row?.[1] ?? null,
        discriminatorReal: row?.[2] ?? null,
        discriminatorFake: row?.[3] ?? null,
        workers: this.members().length,
        spares: this.workers.filter(({ role }) => role === 'spare').length,
        keptOut: this.workers.filter(({ role }) => role === 'kept-out').length,
        ringEpoch: this.ring.epoch,
        ringEpochReason: this.ring.reason,
        dataset: 'scripted (nothing is trained)',
        engine: 'onnx-cpu',
      },
      workers: this.workers,
      checkpoint:
        this.checkpoint === null
          ? null
          : { step: this.checkpoint.step, ageS: Math.max(0, (this.clock() - this.checkpoint.atMs) / 1000) },
    };
  }

  private curveFrom(from: number): LiveMessage {
    const width = this.stepsPerPoint;
    const points = Math.ceil(this.step / width);
    const column = (place: number): (number | null)[] =>
      Array.from({ length: points - from }, (_, i) => {
        const values = this.rows
          .slice((from + i) * width, (from + i + 1) * width)
          .flatMap((row) => row[place] ?? []);
        return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
      });
    const columns = Object.fromEntries(CURVE_COLUMNS.map((name, place) => [name, column(place)]));
    return { kind: 'curve', stepsPerPoint: width, from, ...columns } as LiveMessage;
  }
}

/** Curves like those of a GAN that learns: D runs ahead at first, then G catches up. Columns as in CURVE_COLUMNS. */
function rowOf(step: number, total: number): number[] {
  const learnt = 1 - Math.exp((-6 * step) / total);
  const ahead = Math.exp(-(((step - total * 0.02) / (total * 0.025)) ** 2));
  const shaken = (salt: number): number => (chance(step * 5 + salt) - 0.5) * 0.14;
  const real = 0.5 + 0.34 * ahead + 0.11 * learnt + shaken(1) * 0.6;
  const fake = 0.5 - 0.36 * ahead - 0.09 * learnt + shaken(2) * 0.6;
  const pause = step > total * 0.3 && step < total * 0.31 ? 0.35 : 1;
  return [
    1.386 - 0.85 * ahead - 0.16 * learnt + shaken(3),
    0.693 + 1.7 * ahead + 0.27 * learnt + shaken(4) * 1.4,
    Math.min(0.99, Math.max(0.01, real)),
    Math.min(0.99, Math.max(0.01, fake)),
    (8_600 + 900 * shaken(5) * 10 * 0.14) * pause,
  ];
}
