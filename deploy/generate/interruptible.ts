import { setImmediate } from 'node:timers/promises';
import { OperationalError } from '../../proto/index.js';
import type { Generator } from '../generator/index.js';

function throwIfAborted(interrupt: AbortSignal): void {
  if (interrupt.aborted) throw new OperationalError('aborted', 'interrupted: nothing was written');
}

/** The same generator, which rejects with OperationalError 'aborted' once it is interrupted. */
export function interruptible(generator: Generator, interrupt: AbortSignal): Generator {
  return {
    ...generator,
    generate: async (noise) => {
      throwIfAborted(interrupt);
      return generator.generate(noise);
    },
  };
}

/** The same items; throws OperationalError 'aborted' in place of one that was interrupted while it was made. */
export async function* untilInterrupted<T>(
  items: AsyncIterable<T>,
  interrupt: AbortSignal,
): AsyncGenerator<T> {
  for await (const item of items) {
    // A signal that came while the item was computed is heard in the next turn.
    await setImmediate();
    throwIfAborted(interrupt);
    yield item;
  }
}
