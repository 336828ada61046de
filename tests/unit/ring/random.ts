/** Small seeded generator for tests (mulberry32): returns integers in [0, bound). */
export function seededRandom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/** Runs tasks one a turn of the microtask queue, in an order that follows from the seed. */
export function shuffledTasks(random: (bound: number) => number): (task: () => void) => void {
  const waiting: (() => void)[] = [];
  return (task) => {
    waiting.push(task);
    queueMicrotask(() => {
      const [next] = waiting.splice(random(waiting.length), 1);
      next?.();
    });
  };
}
