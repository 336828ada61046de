import { readFileSync, watch, writeFileSync, type FSWatcher } from 'node:fs';
import type { Pulse } from './pulse.js';

/** A planned fault that has fired, as its process recorded it just before. */
export interface FiredFault {
  readonly id: string;
  readonly who: string;
  readonly pid: number;
  readonly update: number;
  readonly atMs: number;
}

/** The file in which processes record the planned faults that fire in them. */
export class FaultRecord {
  private readonly watcher: FSWatcher;

  constructor(
    readonly path: string,
    pulse: Pulse,
  ) {
    writeFileSync(path, '');
    this.watcher = watch(path, () => pulse.beat());
  }

  /** In the order in which they fired. */
  read(): FiredFault[] {
    const lines = readFileSync(this.path, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as FiredFault);
  }

  find(id: string): FiredFault | undefined {
    return this.read().find((fired) => fired.id === id);
  }

  close(): void {
    this.watcher.close();
  }
}
