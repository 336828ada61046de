import type { History } from '../../../../coordinator/history.js';
import { isCut } from '../../../../coordinator/ring-order.js';
import type { RunCommand, RunState } from '../../../../coordinator/run-state.js';
import { rankOfShard, stepOf, type DownMessage, type UpdateRow } from '../../../../proto/index.js';
import { fingerprintOf, type Bits, type Lineage } from './bits.js';
import type { Cluster } from './cluster.js';
import type { StoredState } from './sim-worker.js';

type Start = DownMessage<'start'>;

/** States that members of a ring epoch have had, by update and worker. */
type States = Map<number, Map<string, Bits>>;

/**
 * Sees all that happens, as nobody in the cluster can, and checks after each event what must hold whatever happens. Throws
 * when it does not.
 */
export class Watcher {
  /** All members of a ring epoch agree on a state with a flipped bit in it: nobody can tell any more. */
  laundered = false;
  flips = 0;
  /** Times that the machine said that replicas differ. */
  mismatches = 0;
  reached = 0;
  ringEpochs = 0;
  private readonly termOf = new Map<number, number>();
  private readonly states = new Map<number, States>();
  /** The row that each coordinator has to append next, by term. */
  private readonly nextRow = new Map<number, number>();
  /** Wrong states that there were when a lead found out that replicas differ, by term. */
  private readonly condemned = new Map<number, Set<Bits>>();
  private exported: StoredState | null = null;
  /** Generators that were given out while the run went on. */
  newestKept = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly lineage: Lineage,
  ) {}

  check(condition: boolean, what: string): void {
    if (!condition)
      throw new Error(`at ${this.cluster.timeline.nowMs.toFixed(1)} ms this does not hold: ${what}`);
  }

  // --- workers

  onBegun(workerId: string, before: number, ringEpoch: number): void {
    this.check(ringEpoch > before, `${workerId} begins ring epoch ${ringEpoch} after ${before}`);
  }

  onStarted(workerId: string, { ringEpoch, members }: Start, update: number, bits: Bits): void {
    const known = this.note(ringEpoch, update, workerId, bits);
    const agreed = known.size === members.length && new Set(known.values()).size === 1;
    if (!agreed || bits === this.lineage.states[update] || this.laundered) return;
    this.laundered = true;
    const knew = this.condemned.get(this.termOf.get(ringEpoch) ?? 0);
    this.check(
      knew?.has(bits) !== true,
      `nobody goes back to a state that was found to differ, before ${update}`,
    );
  }

  onFlipped(members: number): void {
    this.flips += 1;
    // Alone in its world, nobody can tell.
    if (members === 1) this.laundered = true;
  }

  /** All members are in the same reduction, and each shard is in it once. */
  onReduced(updates: readonly number[], shards: readonly number[]): void {
    const expected = Array.from({ length: this.cluster.scenario.shards }, (_, shard) => shard);
    this.check(updates.length === 1, `one update is reduced at a time, found ${updates.join()}`);
    this.check(shards.join() === expected.join(), `each shard is summed once, found ${shards.join()}`);
  }

  onApplied(workerId: string, start: Start, row: UpdateRow, bits: Bits): void {
    const next = row.update + 1;
    this.reached = Math.max(this.reached, next);
    const expected = this.lineage.states[next];
    if (this.flips === 0)
      this.check(bits === expected, `${workerId} has the undisturbed state before ${next}`);
    this.note(start.ringEpoch, next, workerId, bits);
    this.cluster.onProgress(next);
  }

  private note(ringEpoch: number, update: number, workerId: string, bits: Bits): ReadonlyMap<string, Bits> {
    let states = this.states.get(ringEpoch);
    if (states === undefined) this.states.set(ringEpoch, (states = new Map<number, Map<string, Bits>>()));
    const known = states.get(update) ?? new Map<string, Bits>();
    states.set(update, known.set(workerId, bits));
    if (this.flips > 0) return known;
    const differing = new Set(known.values()).size > 1;
    this.check(!differing, `members of ring epoch ${ringEpoch} have the same state before update ${update}`);
    return known;
  }

  // --- coordinators

  onLead(state: RunState, history: History): void {
    const { checkpoint, committed } = state;
    this.check(history.length === stepOf(committed), `the history covers the checkpoint of ${committed}`);
    this.check(committed === (checkpoint?.update ?? 0), 'a new lead goes on from the checkpoint');
    this.nextRow.set(state.term, committed);
  }

  /** Whoever decides leads, and nobody else does. */
  private onDecider({ term, connected }: RunState): void {
    const valid = this.cluster.leads().filter(({ lead }) => lead.valid);
    const alone = valid.every(({ lead }) => lead.term === term);
    this.check(
      alone || !connected,
      `of the leads with terms ${valid.map(({ lead }) => lead.term).join()} ${term} is alone`,
    );
  }

  onRingWritten(ringEpoch: number, term: number): void {
    this.check(!this.termOf.has(ringEpoch), `ring epoch ${ringEpoch} is written once`);
    this.termOf.set(ringEpoch, term);
    this.ringEpochs += 1;
  }

  onDecided(before: RunState, after: RunState, commands: readonly RunCommand[]): void {
    const { epoch } = after;
    this.onDecider(after);
    if (epoch !== null && epoch !== before.epoch && epoch.ringEpoch !== before.epoch?.ringEpoch) {
      this.check(epoch.ringEpoch > (before.epoch?.ringEpoch ?? 0), 'ring epochs only grow');
      this.check(epoch.ringEpoch > before.recordedEpoch, 'a ring epoch is above the recorded one');
    }
    this.check(after.committed <= this.reached, `what is committed, ${after.committed}, was applied`);
    this.check(after.goal <= after.plan.steps, 'no more is done than was planned');
    for (const { a, b } of after.cuts.slice(before.cuts.length)) this.onCut(a, b);
    for (const { workerId, excluded } of after.workers.values())
      if (excluded?.heard === false && before.workers.get(workerId)?.excluded === null)
        this.onMissed(workerId);
    for (const command of commands) this.onCommand(after, command);
  }

  /** In fair weather, nobody takes a link for cut that is not. */
  private onCut(a: string, b: string): void {
    const { effects } = this.cluster.faults;
    const disturbed = effects.wasDisturbed(a) || effects.wasDisturbed(b) || effects.wasLinkCut(a, b);
    this.check(this.cluster.isRough || disturbed, `something is wrong between ${a} and ${b}`);
  }

  /** In fair weather, nobody is taken for lost who is well: not for an outage, nor a paused coordinator. */
  private onMissed(workerId: string): void {
    const { effects } = this.cluster.faults;
    this.check(this.cluster.isRough || effects.wasDisturbed(workerId), `something is wrong with ${workerId}`);
  }

  private onCommand(state: RunState, command: RunCommand): void {
    switch (command.kind) {
      case 'writeRing':
        return this.onWriteRing(state, command);
      case 'start':
        return this.onStart(state, command.workerId);
      case 'assign':
        return this.onAssign(state, command);
      case 'truncate':
        this.check(command.update % 2 === 0, 'the history is cut between two steps');
        return void this.nextRow.set(state.term, command.update);
      case 'commitCheckpoint':
        return this.onCommitCheckpoint(state, command.message.update, command.message.stateFingerprint);
      case 'takeCheckpoint':
        return this.check(command.update % 2 === 0, 'a checkpoint lies between two steps');
      case 'say':
        if (command.level === 'error' && command.text.includes('replicas differ'))
          this.onMismatch(state.term);
        return;
      case 'end':
        if (command.outcome === 'failed')
          this.check(namesCheckpoint(state, command.message), command.message);
        return;
      case 'settle':
        return this.check(command.update <= 2 * state.plan.steps, 'no state after the last is asked for');
      case 'export':
        return this.check(state.checkpoint?.update === 2 * state.goal, 'what is exported is kept');
      case 'exportNewest':
        return this.check(
          command.update % 2 === 0 && command.update > 0,
          'a generator is one of a whole step',
        );
      case 'keepNewest':
        return this.onKeepNewest(state, command.step);
      case 'append':
      case 'announce':
      case 'welcome':
      case 'wait':
      case 'refuse':
      case 'release':
      case 'survey':
      case 'keepSample':
      case 'writeResult':
    }
  }

  private onWriteRing(state: RunState, ring: RunCommand & { kind: 'writeRing' }): void {
    const { world, spares, nextUpdate, source, stateFingerprint } = ring;
    const { cuts, spec, checkpoint } = state;
    const all = [...world, ...spares];
    this.check(world.length > 0 && world.length <= spec.shards, `${world.length} members fit the shards`);
    this.check(new Set(all).size === all.length, 'nobody has two places');
    for (const [rank, id] of world.entries()) {
      const next = world[(rank + 1) % world.length] ?? id;
      this.check(world.length === 1 || !isCut(cuts, id, next), `${id} and ${next} are no neighbours`);
    }
    this.check(source.kind === 'initial' || stateFingerprint !== null, 'a state has a fingerprint');
    this.check(nextUpdate >= (checkpoint?.update ?? 0), 'nobody goes back behind the checkpoint');
    if (source.kind !== 'peer') this.check(nextUpdate % 2 === 0, 'a checkpoint lies between two steps');
  }

  private onStart(state: RunState, workerId: string): void {
    const { epoch, term } = state;
    if (epoch === null) return this.check(false, 'a start has a ring epoch');
    this.check(this.termOf.get(epoch.ringEpoch) === term, `ring epoch ${epoch.ringEpoch} has one leader`);
    const peer = epoch.source.kind === 'peer' ? epoch.source.peer.workerId : null;
    this.check(epoch.world.includes(workerId) || workerId === peer, `${workerId} has a part in it`);
  }

  private onAssign(state: RunState, { workerId, step, shard }: RunCommand & { kind: 'assign' }): void {
    const { epoch, spec, goal, plan } = state;
    if (epoch === null) return this.check(false, 'shards are assigned in a ring epoch');
    const { world, nextUpdate } = epoch;
    const owner = world[rankOfShard(step, shard, spec.shards, world.length)];
    this.check(shard < spec.shards && owner === workerId, `shard ${shard} of step ${step} is ${workerId}'s`);
    this.check(step < goal && step >= stepOf(nextUpdate), `step ${step} is to be done`);
    const states = this.states.get(epoch.ringEpoch);
    const reached = Math.max(nextUpdate, ...(states?.keys() ?? []));
    const ahead = step - stepOf(reached);
    this.check(
      ahead < plan.prefetch + 1,
      `no more than ${plan.prefetch} steps are assigned ahead, found ${ahead}`,
    );
  }

  /** A checkpoint's state is what all replicas of its ring epoch had, and all rows before it are told. */
  private onCommitCheckpoint(state: RunState, update: number, stateFingerprint: string): void {
    const { epoch, committed } = state;
    if (epoch === null) return this.check(false, 'a checkpoint belongs to a ring epoch');
    this.check(committed >= update, `the rows before the checkpoint of ${update} are committed`);
    const states = this.states.get(epoch.ringEpoch)?.get(update);
    for (const id of epoch.world) {
      const bits = states?.get(id);
      const agrees = bits !== undefined && fingerprintOf(bits) === stateFingerprint;
      this.check(agrees, `${id} had the state of the checkpoint of ${update}`);
    }
  }

  /** What is given out is made of what all replicas of its ring epoch had. */
  private onKeepNewest({ epoch }: RunState, step: number): void {
    if (epoch === null) return this.check(false, 'an export belongs to a ring epoch');
    const states = this.states.get(epoch.ringEpoch)?.get(2 * step);
    const bits = new Set(epoch.world.map((id) => states?.get(id)));
    this.check(bits.size === 1 && !bits.has(undefined), `all had the state after step ${step}`);
  }

  onNewestKept(step: number, state: StoredState | null): void {
    this.check(state?.update === 2 * step, `the generator of step ${step} is there`);
    const right = this.flips > 0 || state?.bits === this.lineage.states[2 * step];
    this.check(right, `the generator of step ${step} is the undisturbed run's`);
    this.newestKept += 1;
  }

  /** Rows are told once and in order, and are those of the undisturbed run. */
  onAppend(term: number, rows: readonly UpdateRow[]): void {
    for (const row of rows) {
      const next = this.nextRow.get(term);
      this.check(row.update === next, `the row of update ${next} comes next, found ${row.update}`);
      this.nextRow.set(term, row.update + 1);
      const right = this.flips > 0 || row.scalars[0] === this.lineage.rows[row.update]?.scalars[0];
      this.check(right, `the row of update ${row.update} is the undisturbed run's`);
    }
  }

  private onMismatch(term: number): void {
    this.mismatches += 1;
    const wrong = [...this.states.values()].flatMap((states) =>
      [...states].flatMap(([update, known]) =>
        [...known.values()].filter((bits) => bits !== this.lineage.states[update]),
      ),
    );
    this.condemned.set(term, new Set([...(this.condemned.get(term) ?? []), ...wrong]));
  }

  onExported(state: StoredState | null): void {
    this.check(state !== null, 'what was exported is there');
    this.exported = state;
  }

  /** Of a run that is done: its generator and its history are those of the undisturbed run. */
  checkResult(state: RunState, history: History, right: History): void {
    const { steps } = state.plan;
    this.check(state.committed === 2 * steps, `all ${steps} steps are committed`);
    this.check(state.checkpoint?.update === 2 * steps, 'the last state is kept');
    this.check(history.length === steps, `the history has ${steps} steps`);
    if (this.laundered) return;
    this.check(this.exported?.update === 2 * steps, 'the last state was exported');
    this.check(this.exported?.bits === this.lineage.states[2 * steps], 'the generator has the right bits');
    this.check(history.toCsv(10) === right.toCsv(10), 'the history is complete and right');
  }
}

/** A run that ends for good says what is left of it. */
function namesCheckpoint({ checkpoint }: RunState, message: string): boolean {
  return message.includes(
    checkpoint === null
      ? 'no checkpoint was taken yet'
      : `the last good checkpoint is that of step ${stepOf(checkpoint.update)}`,
  );
}
