import {
  invariant,
  networkOf,
  stepOf,
  type NetworkName,
  type RunSpec,
  type UpdateLayout,
  type UpdateRow,
} from '../../proto/index.js';
import type { FaultHook } from '../../proto/runtime/fault-injection.js';
import type { Engine } from '../engine/index.js';
import { judge, nextRanges, sumShard, tensorMeans, type TensorRange } from '../exact/index.js';
import { adamStep, type Kernels } from '../kernels/index.js';
import type { Ring } from '../ring/index.js';
import { foldBatchStatistics } from './batch-statistics.js';
import type { ReplicaState } from './replica-state.js';
import type { Reporter } from './reporter.js';
import type { KernelFloats, UpdateBuffers } from './update-buffers.js';
import { averagingWeight } from './weight-average.js';

/** A shard that this replica computes in the step at hand. */
export interface OwnShard {
  readonly shard: number;
  readonly pixels: Uint8Array;
}

export interface UpdateParts {
  readonly spec: RunSpec;
  readonly engine: Engine;
  readonly kernels: Kernels;
  readonly state: ReplicaState;
  readonly buffers: UpdateBuffers;
  readonly reporter: Reporter;
  readonly nowMs: () => number;
  readonly onPhase: (phase: 'compute' | 'reduce' | 'update') => void;
  readonly fault?: FaultHook;
}

/**
 * One update from gradients to commit: computes the own shards, turns them into integers, reduces, and applies what
 * came out. Every decision follows from the reduced integers alone, so all replicas decide alike without a message.
 */
export class UpdateStep {
  /** Whose contribution lies in each buffer now. */
  private readonly residents: (number | null)[];
  /** Whose activations each of the engine's slots keeps, as `step/shard`. */
  private readonly activations = new Map<number, string>();
  private torn = false;

  constructor(private readonly parts: UpdateParts) {
    this.residents = new Array<number | null>(parts.buffers.kept).fill(null);
  }

  /** An update failed while the state was being changed: it is worth nothing until it is replaced. */
  get hasTornState(): boolean {
    return this.torn;
  }

  /** The state was replaced: nothing that was computed from the old one is used again. */
  forget(): void {
    this.residents.fill(null);
    this.activations.clear();
    this.torn = false;
  }

  /**
   * Changes the state from just before `update` to just after it, or not at all.
   * @param own the shards of this step that this replica computes
   * @param signal aborted when the ring epoch is over: asked after everything that takes time, then nothing changes
   */
  async run(
    update: number,
    own: readonly OwnShard[],
    ring: Pick<Ring, 'allReduce'>,
    signal: AbortSignal,
  ): Promise<UpdateRow> {
    const { state, buffers, reporter, nowMs, onPhase } = this.parts;
    const network = networkOf(update);
    const layout = buffers.layouts[network];
    const vector = buffers.vector(network);
    let ranges = state.ranges(network);
    this.residents.fill(null);
    for (let attempt = 0; ; attempt++) {
      const startMs = nowMs();
      onPhase('compute');
      await this.sumOwn(update, own, layout, ranges, signal);
      const reduceMs = nowMs();
      reporter.totals.computeMs += reduceMs - startMs;
      onPhase('reduce');
      await ring.allReduce(vector, { update, attempt, signal });
      signal.throwIfAborted();
      const updateMs = nowMs();
      reporter.totals.reduceMs += updateMs - reduceMs;
      const verdict = judge(layout, vector, ranges, attempt);
      if (verdict.kind === 'redo') {
        reporter.totals.redos += 1;
        ranges = verdict.ranges;
        continue;
      }
      onPhase('update');
      this.torn = true;
      const skipped = verdict.kind === 'skip';
      const scalars = skipped ? layout.scalarNames.map(() => null) : this.apply(network, ranges);
      this.advance(update, skipped);
      this.torn = false;
      reporter.totals.updateMs += nowMs() - updateMs;
      reporter.totals.shardsComputed += network === 'generator' ? own.length : 0;
      return { update, scalars, skipped, skippedSteps: state.get('skippedSteps'), redos: attempt };
    }
  }

  private async sumOwn(
    update: number,
    own: readonly OwnShard[],
    layout: UpdateLayout,
    ranges: readonly TensorRange[],
    signal: AbortSignal,
  ): Promise<void> {
    const { buffers, kernels, spec } = this.parts;
    if (own.length === 0) buffers.vector(layout.network).fill(0);
    for (const [slot, shard] of own.entries()) {
      const { address } = await this.contribution(update, slot, shard);
      signal.throwIfAborted();
      sumShard(kernels, {
        layout,
        ranges,
        floats: address,
        ints: buffers.intsAddress,
        first: slot === 0,
        shards: spec.shards,
      });
    }
  }

  /** The shard's contribution, computed unless it still lies in its buffer. */
  private async contribution(update: number, slot: number, own: OwnShard): Promise<KernelFloats> {
    const { engine, buffers, kernels, spec, fault } = this.parts;
    const network = networkOf(update);
    const contribution = buffers.contribution(slot, network);
    const place = slot % buffers.kept;
    if (this.residents[place] === slot) return contribution;
    const activations = `${stepOf(update)}/${own.shard}`;
    if (network === 'discriminator' || this.activations.get(slot) !== activations) {
      // Whoever takes over a shard for the second half alone computes the first half too and drops its gradients.
      const { noise } = buffers;
      const key = { seed: spec.seed, stream: 'noise', step: stepOf(update), shard: own.shard } as const;
      kernels.fillNormal(noise.address, noise.floats.length, key);
      const out = buffers.contribution(slot, 'discriminator').floats;
      await engine.discriminatorHalf(slot, own.pixels, noise.floats, out);
      this.activations.set(slot, activations);
    }
    fault?.('in-compute', update);
    if (network === 'generator') await engine.generatorHalf(slot, contribution.floats);
    this.residents[place] = slot;
    return contribution;
  }

  /** Applies the reduced vector; returns the scalars' means. */
  private apply(network: NetworkName, ranges: readonly TensorRange[]): number[] {
    const { state, buffers, kernels, spec } = this.parts;
    const { shards, shardBatch } = spec;
    const layout = buffers.layouts[network];
    const vector = buffers.vector(network);
    const { model } = state.layout;
    const largest = this.adam(network, ranges);
    for (const { offset, size } of layout.tensors.slice(layout.gradientTensorCount)) {
      largest.push(kernels.maxAbsInt32(buffers.intsAddress + 4 * offset, size));
    }
    if (network === 'discriminator') {
      const { statisticsOffset, statisticsLength } = layout;
      const batch = tensorMeans(layout, vector, ranges, shards, statisticsOffset, statisticsLength);
      foldBatchStatistics(model, state.statistics, batch, shardBatch);
    } else this.averageWeights();
    state.setRanges(network, nextRanges({ layout, ranges, largest, shards }));
    return [...tensorMeans(layout, vector, ranges, shards, layout.scalarOffset, layout.scalarNames.length)];
  }

  /** Changes the network's parameters by the summed gradient; returns the largest |sum| of each of its tensors. */
  private adam(network: NetworkName, ranges: readonly TensorRange[]): number[] {
    const { state, buffers, kernels, spec } = this.parts;
    const layout = buffers.layouts[network];
    const counter = network === 'generator' ? 'generatorAdamSteps' : 'discriminatorAdamSteps';
    const t = state.get(counter) + 1;
    state.set(counter, t);
    const step = adamStep(t, spec.recipe);
    const { offset: networkOffset } = state.layout.model[network];
    return layout.tensors.slice(0, layout.gradientTensorCount).map(({ offset, size }, index) => {
      if (index === 1) this.parts.fault?.('in-adam', state.get('nextUpdate'));
      const range = ranges[index];
      invariant(range !== undefined, 'every tensor has a range');
      const place = state.address + 4 * (networkOffset + offset);
      return kernels.adam({
        parameters: place + state.layout.parameters,
        m: place + state.layout.m,
        v: place + state.layout.v,
        ints: buffers.intsAddress + 4 * offset,
        n: size,
        exponent: range.exponent,
        shards: spec.shards,
        step,
      });
    });
  }

  private averageWeights(): void {
    const { state, kernels, spec } = this.parts;
    const { averages, parameters, model } = state.layout;
    const { averaging } = spec.recipe;
    if (averaging === null || averages === null) return;
    const { offset, size } = model.generator;
    const weight = averagingWeight(state.get('generatorAdamSteps'), averaging.decay);
    kernels.average(state.address + averages, state.address + parameters + 4 * offset, size, weight);
  }

  /** Moves the state on to the next update and keeps count of steps with a skipped one. */
  private advance(update: number, skipped: boolean): void {
    const { state } = this.parts;
    if (networkOf(update) === 'discriminator') state.set('stepSkipped', 0);
    if (skipped && state.get('stepSkipped') === 0) {
      state.set('stepSkipped', 1);
      state.set('skippedSteps', state.get('skippedSteps') + 1);
    }
    if (networkOf(update) === 'generator' && state.get('stepSkipped') === 0) state.set('skippedSteps', 0);
    state.set('nextUpdate', update + 1);
  }
}
