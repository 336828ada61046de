import { addUp } from './bits.js';
import type { Random } from './random.js';
import type { SimProcess } from './sim-process.js';
import type { Timeline, Timer } from './timeline.js';
import type { Watcher } from './watcher.js';

const WATCH_EVERY_MS = 100;
const HANDSHAKE_MS = 3;
/** For a predecessor to take the connection. */
const CONNECT_MS = 2_000;
/** For both links to be open. */
const OPEN_MS = 15_000;
/** Between the first member and the last one that has its sum and has applied it. */
const SPREAD_MS = 4;

/** What a ring tells the replica that has taken its place in it. */
export interface SeatHandlers {
  readonly onOpen: () => void;
  readonly onFailed: (code: string, neighbour: string) => void;
  readonly silenceMs: () => number;
  /** NATS is away: silence does not count. */
  readonly isSuspended: () => boolean;
}

/** One member's place. */
class Seat {
  stage: 'opening' | 'open' | 'over' = 'opening';
  predecessorUp = false;
  successorUp = false;
  /** The reduction it is in; `parts` are its shards' gradients. */
  reduction: {
    readonly update: number;
    readonly parts: ReadonlyMap<number, number>;
    readonly onSum: (sum: number) => void;
  } | null = null;
  /** It has its sum and is about to apply it. */
  applying: Timer | null = null;
  readonly silentMs = { predecessor: 0, successor: 0 };
  waitedMs = 0;

  constructor(
    readonly rank: number,
    readonly thread: SimProcess,
    readonly handlers: SeatHandlers,
  ) {}

  get isLinked(): boolean {
    return this.predecessorUp && this.successorUp;
  }
}

export interface RingPlace {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly watcher: Watcher;
  readonly isCut: (a: string, b: string) => boolean;
  /** The thread that does a member's ring, if it lives. */
  readonly processOf: (workerId: string) => SimProcess | undefined;
}

/**
 * The ring of one ring epoch. An update is applied only when all members are in its reduction, each with its shards; whoever
 * is lost after the sum was complete may leave some who have applied it and some who have not.
 */
export class SimRing {
  private readonly seats = new Map<string, Seat>();
  private isWatching = false;

  constructor(
    private readonly place: RingPlace,
    private readonly members: readonly string[],
  ) {}

  join(workerId: string, thread: SimProcess, handlers: SeatHandlers): void {
    const seat = new Seat(this.members.indexOf(workerId), thread, handlers);
    this.seats.set(workerId, seat);
    if (this.members.length === 1) {
      seat.predecessorUp = seat.successorUp = true;
      return this.openIfLinked(seat);
    }
    this.place.timeline.after(HANDSHAKE_MS, () => this.link());
    this.watchFromNowOn();
  }

  enter(
    workerId: string,
    update: number,
    parts: ReadonlyMap<number, number>,
    onSum: (sum: number) => void,
  ): void {
    const seat = this.seats.get(workerId);
    if (seat === undefined || seat.stage !== 'open') return;
    seat.reduction = { update, parts, onSum };
    seat.silentMs.predecessor = seat.silentMs.successor = 0;
    this.reduce();
  }

  /** Closes the member's links: it leaves, has failed, or its process is gone. */
  leave(workerId: string): void {
    const seat = this.seats.get(workerId);
    if (seat === undefined || seat.stage === 'over') return;
    seat.stage = 'over';
    seat.applying?.cancel();
    seat.reduction = null;
    const { timeline, random } = this.place;
    for (const side of ['predecessor', 'successor'] as const) {
      const up = side === 'predecessor' ? seat.predecessorUp : seat.successorUp;
      const neighbour = this.seats.get(this.neighbour(seat.rank, side));
      if (!up || neighbour === undefined || neighbour === seat) continue;
      timeline.after(random.between(0.2, 3), () => neighbour.thread.do(() => this.lost(neighbour, workerId)));
    }
  }

  private lost(seat: Seat, neighbour: string): void {
    if (seat.stage === 'over') return;
    // The sum may have been complete already; then it is applied, and the ring fails after it.
    if (seat.applying !== null && this.place.random.chance(0.5)) {
      const again = (): void => this.lost(seat, neighbour);
      return void seat.thread.after(SPREAD_MS, again);
    }
    this.fail(seat, 'ring-peer-lost', neighbour);
  }

  private fail(seat: Seat, code: string, neighbour: string): void {
    const own = this.members[seat.rank] ?? '';
    this.leave(own);
    seat.handlers.onFailed(code, neighbour);
  }

  private neighbour(rank: number, side: 'predecessor' | 'successor'): string {
    const world = this.members.length;
    return this.members[(rank + (side === 'successor' ? 1 : world - 1)) % world] ?? '';
  }

  /** Whether anything passes between two members now. */
  private passes(a: string, b: string): boolean {
    const { isCut, processOf } = this.place;
    return !isCut(a, b) && processOf(a)?.isRunning === true && processOf(b)?.isRunning === true;
  }

  /** Connects the neighbours that are both there. */
  private link(): void {
    for (const [workerId, seat] of this.seats) {
      if (seat.stage !== 'opening' || seat.predecessorUp) continue;
      const before = this.neighbour(seat.rank, 'predecessor');
      const predecessor = this.seats.get(before);
      if (predecessor === undefined || predecessor.stage === 'over') continue;
      if (!this.passes(workerId, before)) continue;
      seat.predecessorUp = true;
      predecessor.successorUp = true;
      this.openIfLinked(seat);
      this.openIfLinked(predecessor);
    }
  }

  private openIfLinked(seat: Seat): void {
    if (seat.stage !== 'opening' || !seat.isLinked) return;
    seat.stage = 'open';
    seat.handlers.onOpen();
  }

  private reduce(): void {
    const { members, seats, place } = this;
    const all = members.map((id) => seats.get(id));
    const updates = new Set(all.map((seat) => seat?.reduction?.update ?? -1));
    if (updates.has(-1) || all.some((seat) => seat?.applying !== null || seat.stage !== 'open')) return;
    if (members.some((id, rank) => !this.passes(id, this.neighbour(rank, 'successor')))) return;
    const parts = all.flatMap((seat) => [...(seat?.reduction?.parts ?? [])]);
    place.watcher.onReduced(
      [...updates],
      parts.map(([shard]) => shard).sort((a, b) => a - b),
    );
    const sum = addUp(parts.map(([, part]) => part));
    for (const seat of all) {
      if (seat === undefined) continue;
      seat.applying = seat.thread.after(place.random.between(0, SPREAD_MS), () => {
        const { reduction } = seat;
        seat.applying = null;
        seat.reduction = null;
        reduction?.onSum(sum);
      });
    }
  }

  private watchFromNowOn(): void {
    if (this.isWatching) return;
    this.isWatching = true;
    const watch = (): void => {
      const living = [...this.seats].filter(
        ([id, seat]) => seat.stage !== 'over' && this.place.processOf(id) !== undefined,
      );
      this.isWatching = living.length > 0;
      if (!this.isWatching) return;
      this.link();
      for (const [id, seat] of living) if (seat.thread.isRunning) this.watch(id, seat);
      this.reduce();
      this.place.timeline.after(WATCH_EVERY_MS, watch);
    };
    this.place.timeline.after(WATCH_EVERY_MS, watch);
  }

  private watch(workerId: string, seat: Seat): void {
    if (seat.stage === 'opening') return this.watchOpening(workerId, seat);
    if (seat.reduction === null || seat.applying !== null) return;
    for (const side of ['successor', 'predecessor'] as const) {
      const neighbour = this.neighbour(seat.rank, side);
      const silent = !this.passes(workerId, neighbour) && !seat.handlers.isSuspended();
      seat.silentMs[side] = silent ? seat.silentMs[side] + WATCH_EVERY_MS : 0;
      if (seat.silentMs[side] > seat.handlers.silenceMs()) return this.fail(seat, 'ring-deadline', neighbour);
    }
  }

  private watchOpening(workerId: string, seat: Seat): void {
    seat.waitedMs += WATCH_EVERY_MS;
    if (!seat.predecessorUp) {
      const before = this.neighbour(seat.rank, 'predecessor');
      if (this.place.processOf(before) === undefined) return this.fail(seat, 'ring-peer-lost', before);
      if (this.seats.get(before)?.stage === 'over') return this.fail(seat, 'ring-refused', before);
      const reached = this.passes(workerId, before);
      seat.silentMs.predecessor = reached ? 0 : seat.silentMs.predecessor + WATCH_EVERY_MS;
      if (seat.silentMs.predecessor > CONNECT_MS) return this.fail(seat, 'ring-deadline', before);
    }
    if (seat.waitedMs <= OPEN_MS) return;
    this.fail(
      seat,
      'ring-deadline',
      this.neighbour(seat.rank, seat.predecessorUp ? 'successor' : 'predecessor'),
    );
  }
}
