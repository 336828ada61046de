import {
  invariant,
  updateLayout,
  type ModelLayout,
  type NetworkName,
  type UpdateLayout,
} from '../../proto/index.js';
import type { Kernels } from '../kernels/index.js';

/** Contributions kept until an update is accepted; further ones are computed again when a reduction is redone. */
const MAX_KEPT = 4;

export interface Contribution {
  readonly address: number;
  readonly floats: Float32Array;
}

/** The memory that an update needs besides the state: the shards' contributions and the vector that is reduced. */
export class UpdateBuffers {
  readonly layouts: Readonly<Record<NetworkName, UpdateLayout>>;
  readonly intsAddress: number;
  readonly ints: Int32Array;
  readonly kept: number;
  private readonly contributions: Record<NetworkName, Contribution>[] = [];

  constructor(kernels: Kernels, model: ModelLayout, shards: number) {
    this.layouts = {
      discriminator: updateLayout(model, 'discriminator'),
      generator: updateLayout(model, 'generator'),
    };
    this.kept = Math.min(shards, MAX_KEPT);
    const floats = Math.max(this.layouts.discriminator.floatLength, this.layouts.generator.floatLength);
    for (let i = 0; i < this.kept; i++) {
      const address = kernels.allocate(4 * floats);
      // Views are made once: engines know their output buffers by identity.
      const view = (network: NetworkName): Contribution => ({
        address,
        floats: new Float32Array(kernels.memory.buffer, address, this.layouts[network].floatLength),
      });
      this.contributions.push({ discriminator: view('discriminator'), generator: view('generator') });
    }
    const length = Math.max(this.layouts.discriminator.length, this.layouts.generator.length);
    this.intsAddress = kernels.allocate(4 * length);
    this.ints = new Int32Array(kernels.memory.buffer, this.intsAddress, length);
  }

  /** Bytes to ask the kernels for. */
  static bytes(model: ModelLayout, shards: number): number {
    const layouts = [updateLayout(model, 'discriminator'), updateLayout(model, 'generator')];
    const floats = 4 * Math.max(...layouts.map((layout) => layout.floatLength)) + 64;
    const ints = 4 * Math.max(...layouts.map((layout) => layout.length)) + 64;
    return Math.min(shards, MAX_KEPT) * floats + ints;
  }

  /** Where the contribution of a slot goes; slots share buffers when there are more of them. */
  contribution(slot: number, network: NetworkName): Contribution {
    const buffer = this.contributions[slot % this.kept];
    invariant(buffer !== undefined, 'a slot has a buffer');
    return buffer[network];
  }

  vector(network: NetworkName): Int32Array {
    return this.ints.subarray(0, this.layouts[network].length);
  }
}
