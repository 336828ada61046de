import { invariant, OperationalError } from '../../proto/index.js';

const PAGE_BYTES = 65_536;
/** One page less than 4 GiB, so that the address after the last byte is still a 32-bit number. */
export const MAX_MEMORY_BYTES = 65_535 * PAGE_BYTES;
const ALIGNMENT_BYTES = 64;

/** What an allocation of `bytes` takes out of the memory. */
export const allocationBytes = (bytes: number): number =>
  Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;

/** Memory of fixed size, given out piece by piece and never taken back: a worker's vectors live as long as it does. */
export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  /** Address 0 stays unused, so that a forgotten address shows. */
  private used = ALIGNMENT_BYTES;

  /** @throws OperationalError when the machine has not that much, or WebAssembly cannot address it */
  constructor(bytes: number) {
    invariant(Number.isSafeInteger(bytes) && bytes >= 0, `a size in bytes: ${bytes}`);
    const wanted = bytes + ALIGNMENT_BYTES;
    const mebibytes = Math.ceil(bytes / 2 ** 20);
    if (wanted > MAX_MEMORY_BYTES)
      throw new OperationalError(
        'run-failed',
        `the model and its shards need ${mebibytes} MiB in one WebAssembly memory, at most 4095 are possible: take a smaller model`,
      );
    const pages = Math.ceil(wanted / PAGE_BYTES);
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch (cause) {
      throw new OperationalError(
        'run-failed',
        `this machine has no ${mebibytes} MiB of memory free for the model`,
        {
          cause,
        },
      );
    }
  }

  allocate(bytes: number): number {
    invariant(Number.isSafeInteger(bytes) && bytes >= 0, `a size in bytes: ${bytes}`);
    const address = this.used;
    invariant(
      address + bytes <= this.memory.buffer.byteLength,
      `kernel memory holds ${this.memory.buffer.byteLength} bytes; ${address} are taken, ${bytes} more were asked for`,
    );
    this.used = address + allocationBytes(bytes);
    return address;
  }

  /** Checks a vector of n four-byte elements. */
  checkVector(address: number, n: number): void {
    invariant(Number.isInteger(address) && address % 4 === 0, `a 4-byte aligned address: ${address}`);
    this.checkBytes(address, 4 * n);
  }

  checkBytes(address: number, bytes: number): void {
    invariant(
      Number.isInteger(address) && address >= 0 && Number.isInteger(bytes) && bytes >= 0,
      `an address and a length: ${address}, ${bytes}`,
    );
    invariant(
      address + bytes <= this.memory.buffer.byteLength,
      `bytes ${address} to ${address + bytes} lie within the kernel memory of ${this.memory.buffer.byteLength}`,
    );
  }
}
