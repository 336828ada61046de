import {
  invariant,
  modelLayout,
  updateLayout,
  type NetworkName,
  type RunSpec,
  type UpdateLayout,
} from '../../proto/index.js';
import { allocationBytes, type Kernels } from '../kernels/index.js';

/** Contributions kept until an update is accepted; further ones are computed again when a reduction is redone. */
const MAX_KEPT = 4;

/** What decides the sizes. */
type StepShape = Pick<RunSpec, 'model' | 'shards' | 'shardBatch'>;

/** Floats in kernel memory. */
export interface KernelFloats {
  readonly address: number;
  readonly floats: Float32Array;
}

function layoutsOf({ model }: StepShape): Readonly<Record<NetworkName, UpdateLayout>> {
  const layout = modelLayout(model);
  return {
    discriminator: updateLayout(layout, 'discriminator'),
    generator: updateLayout(layout, 'generator'),
  };
}

/** In elements: one contribution, the reduced vector, one shard's noise. */
function lengths(shape: StepShape): { kept: number; floats: number; ints: number; noise: number } {
  const { discriminator, generator } = layoutsOf(shape);
  return {
    kept: Math.min(shape.shards, MAX_KEPT),
    floats: Math.max(discriminator.floatLength, generator.floatLength),
    ints: Math.max(discriminator.length, generator.length),
    noise: shape.shardBatch * shape.model.generator.inputSize,
  };
}

/**
 * The memory that an update needs besides the state: a shard's noise, the shards' contributions and the vector that is
 * reduced.
 */
export class UpdateBuffers {
  readonly layouts: Readonly<Record<NetworkName, UpdateLayout>>;
  readonly intsAddress: number;
  readonly ints: Int32Array;
  readonly kept: number;
  /** Of the shard that is being computed: [B, inputSize] */
  readonly noise: KernelFloats;
  private readonly contributions: Record<NetworkName, KernelFloats>[] = [];

  constructor(kernels: Kernels, shape: StepShape) {
    this.layouts = layoutsOf(shape);
    const { kept, floats, ints, noise } = lengths(shape);
    this.kept = kept;
    const floatsAt = (address: number, length: number): KernelFloats => ({
      address,
      floats: new Float32Array(kernels.memory.buffer, address, length),
    });
    for (let i = 0; i < this.kept; i++) {
      const address = kernels.allocate(4 * floats);
      // Views are made once: engines know their output buffers by identity.
      const view = (network: NetworkName) => floatsAt(address, this.layouts[network].floatLength);
      this.contributions.push({ discriminator: view('discriminator'), generator: view('generator') });
    }
    this.intsAddress = kernels.allocate(4 * ints);
    this.ints = new Int32Array(kernels.memory.buffer, this.intsAddress, ints);
    this.noise = floatsAt(kernels.allocate(4 * noise), noise);
  }

  /** Bytes to ask the kernels for. */
  static bytes(shape: StepShape): number {
    const { kept, floats, ints, noise } = lengths(shape);
    return kept * allocationBytes(4 * floats) + allocationBytes(4 * ints) + allocationBytes(4 * noise);
  }

  /** Where the contribution of a slot goes; slots share buffers when there are more of them. */
  contribution(slot: number, network: NetworkName): KernelFloats {
    const buffer = this.contributions[slot % this.kept];
    invariant(buffer !== undefined, 'a slot has a buffer');
    return buffer[network];
  }

  vector(network: NetworkName): Int32Array {
    return this.ints.subarray(0, this.layouts[network].length);
  }
}
