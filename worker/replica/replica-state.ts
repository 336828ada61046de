import { OperationalError, type NetworkName } from '../../proto/index.js';
import { initialParameters } from '../../proto/initial-parameters.js';
import { decodeRanges, encodeRanges, initialRanges, type TensorRange } from '../exact/index.js';
import type { Kernels } from '../kernels/index.js';
import { resetStatistics } from './batch-statistics.js';
import { HEADER_FIELDS, STATE_VERSION, type HeaderField, type StateLayout } from './state-layout.js';

const HEADER_INDEX = Object.fromEntries(HEADER_FIELDS.map((field, index) => [field, index])) as Record<
  HeaderField,
  number
>;

/**
 * A replica's state in kernel memory: one block, laid out as StateLayout says. Whoever changes it changes memory that
 * the engine reads (the parameters), so only between updates.
 */
export class ReplicaState {
  readonly address: number;
  readonly parameters: Float32Array;
  readonly statistics: Float32Array;
  /** Of the generator's parameters; null where the recipe does not average. */
  readonly averages: Float32Array | null;
  private readonly header: Int32Array;
  private readonly block: Uint8Array;

  constructor(
    readonly layout: StateLayout,
    private readonly kernels: Kernels,
  ) {
    this.address = kernels.allocate(layout.bytes);
    const { buffer } = kernels.memory;
    const { model } = layout;
    this.block = new Uint8Array(buffer, this.address, layout.bytes);
    this.header = new Int32Array(buffer, this.address, HEADER_FIELDS.length);
    this.parameters = new Float32Array(buffer, this.address + layout.parameters, model.parameterCount);
    this.statistics = new Float32Array(buffer, this.address + layout.statistics, model.statisticCount);
    this.averages =
      layout.averages === null
        ? null
        : new Float32Array(buffer, this.address + layout.averages, model.generator.size);
  }

  get(field: HeaderField): number {
    return this.header[HEADER_INDEX[field]] ?? 0;
  }

  set(field: HeaderField, value: number): void {
    this.header[HEADER_INDEX[field]] = value;
  }

  ranges(network: NetworkName): readonly TensorRange[] {
    return decodeRanges(this.rangeInts(network));
  }

  setRanges(network: NetworkName, ranges: readonly TensorRange[]): void {
    encodeRanges(ranges, this.rangeInts(network));
  }

  /** The state before the first update: everything follows from the seed. */
  initialise(seed: number): void {
    this.block.fill(0);
    this.set('version', STATE_VERSION);
    this.parameters.set(initialParameters(this.layout.model, seed));
    resetStatistics(this.layout.model, this.statistics);
    const { offset, size } = this.layout.model.generator;
    this.averages?.set(this.parameters.subarray(offset, offset + size));
    for (const network of ['discriminator', 'generator'] as const) {
      this.setRanges(network, initialRanges(this.layout.ranges[network].tensors));
    }
  }

  /** The whole block as it lies in memory. */
  view(): Uint8Array {
    return this.block;
  }

  /** Changes a bit or two, as faulty memory would; for tests of the replica guard. */
  flipBit(part: 'parameters' | 'adam' | 'statistics'): void {
    const { layout } = this;
    const start = { parameters: layout.parameters, adam: layout.v, statistics: layout.statistics }[part];
    const number = start + 4 * 17;
    // A high bit of the mantissa; of Adam's v, which may be zero, two of the exponent: a denormal would be flushed again.
    const [place, bits] = part === 'adam' ? [number + 3, 0x30] : [number + 2, 0x40];
    this.block[place] = (this.block[place] ?? 0) ^ bits;
  }

  /** A copy of the whole block: a checkpoint. */
  copy(): Uint8Array {
    return this.block.slice();
  }

  /** Takes over a checkpoint; throws OperationalError when it is not one of this layout. */
  restore(bytes: Uint8Array): void {
    if (bytes.byteLength !== this.layout.bytes) {
      throw new OperationalError(
        'checkpoint',
        `a state of ${this.layout.bytes} bytes was expected, found ${bytes.byteLength}`,
      );
    }
    const version = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
    if (version !== STATE_VERSION) {
      throw new OperationalError(
        'checkpoint',
        `a state of version ${STATE_VERSION} was expected, found ${version}`,
      );
    }
    this.block.set(bytes);
  }

  /** XXH64 of the block: equal on all replicas that stand at the same update. */
  fingerprint(): string {
    return this.kernels.xxh64(this.address, this.layout.bytes);
  }

  private rangeInts(network: NetworkName): Int32Array {
    const { offset, tensors } = this.layout.ranges[network];
    return new Int32Array(this.kernels.memory.buffer, this.address + offset, 2 * tensors);
  }
}
