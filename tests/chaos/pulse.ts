/** A wait that came to nothing; the message says what was waited for. */
export class Overdue extends Error {
  override readonly name = 'Overdue';
}

/**
 * Conditions to wait for: whoever sees something change beats the pulse, and those who wait look again. Once the alarm was
 * raised all waits fail with its reason, so that a test does not sit out a deadline when the run is over already.
 */
export class Pulse {
  private readonly looks = new Set<() => void>();
  private raised: Error | null = null;

  beat(): void {
    for (const look of [...this.looks]) look();
  }

  /** Only the first alarm counts. */
  alarm(reason: Error): void {
    this.raised ??= reason;
    this.beat();
  }

  /** Resolves with what `look` gives once that is neither undefined, null nor false. */
  until<T>(look: () => T | undefined | null | false, what: string, deadlineMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer);
        this.looks.delete(check);
        end();
      };
      const check = (): void => {
        let found: T | undefined | null | false;
        try {
          found = look();
        } catch (error) {
          return settle(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
        if (found !== undefined && found !== null && found !== false) return settle(() => resolve(found));
        const { raised } = this;
        if (raised !== null) settle(() => reject(raised));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Overdue(`${what} was expected within ${deadlineMs / 1000} s`))),
        deadlineMs,
      );
      this.looks.add(check);
      check();
    });
  }
}

/** The same for a promise. */
export async function within<T>(work: Promise<T>, what: string, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Overdue(`${what} was expected within ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    clearTimeout(timer);
  }
}

/** For what takes place at a time of its own, such as an outage of so many seconds; not to wait for something. */
export const lasting = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
