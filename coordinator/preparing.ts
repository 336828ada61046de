import type { Bus } from '../proto/runtime/bus.js';

const TELL_EVERY_MS = 1_000;

/** Tells watchers what is being done before there is a run to tell of. */
export class Preparing {
  private readonly timer: NodeJS.Timeout;

  /** @param text what is being done now, in words */
  constructor(bus: Bus, text: () => string) {
    const tell = (): void => bus.out('preparing', { text: text().slice(0, 4_000) });
    tell();
    this.timer = setInterval(tell, TELL_EVERY_MS);
  }

  /** There is a run now, or there will be none. */
  end(): void {
    clearInterval(this.timer);
  }
}
