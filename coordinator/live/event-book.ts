import { MAX_LIVE_EVENTS, type LiveEvent } from '../../proto/live.js';
import type { StoredEvent } from './event-file.js';

/** What has happened in a run, in words; the newest of it. */
export class EventBook {
  private events: LiveEvent[] = [];
  private nextSeq = 0;

  constructor(
    earlier: readonly StoredEvent[],
    private readonly onAdded: (event: StoredEvent) => void,
  ) {
    for (const event of earlier) this.take(event);
  }

  add(event: StoredEvent): void {
    this.take(event);
    this.onAdded(event);
  }

  private take(event: StoredEvent): void {
    this.events.push({ seq: this.nextSeq++, ...event });
    if (this.events.length > MAX_LIVE_EVENTS) this.events.shift();
  }

  /** Those from number `seq` on. */
  since(seq: number): readonly LiveEvent[] {
    return this.events.filter((event) => event.seq >= seq);
  }

  /** Number of the next event. */
  get end(): number {
    return this.nextSeq;
  }
}
