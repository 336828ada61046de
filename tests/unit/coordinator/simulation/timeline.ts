export interface Timer {
  cancel(): void;
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  action: (() => void) | null;
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Virtual time: what is to happen, in order. Two things at the same time happen in the order in which they were asked for. */
export class Timeline {
  nowMs = 0;
  private order = 0;
  /** A binary heap: each entry is before its two children. */
  private readonly heap: Entry[] = [];

  after(ms: number, action: () => void): Timer {
    const entry: Entry = { atMs: this.nowMs + ms, order: this.order++, action };
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, entry)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
    return { cancel: () => void (entry.action = null) };
  }

  /** Lets the next thing happen; false when there is none. */
  step(): boolean {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return false;
    if (heap.length > 0) this.sink(last);
    if (first.action === null) return true;
    this.nowMs = first.atMs;
    first.action();
    return true;
  }

  private sink(entry: Entry): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const child = right !== undefined && isBefore(right, left) ? right : left;
      if (isBefore(entry, child)) break;
      heap[at] = child;
      at = child === left ? 2 * at + 1 : 2 * at + 2;
    }
    heap[at] = entry;
  }
}
