import { describe } from 'vitest';
import { linkContract } from './link-contract.js';
import { memoryLink } from './memory-link.js';
import { seededRandom, shuffledTasks } from './random.js';

describe('link in memory', () => linkContract(() => Promise.resolve(memoryLink())));

describe('link in memory, tasks shuffled', () => {
  const random = seededRandom(11);
  linkContract(() =>
    Promise.resolve(memoryLink({ later: shuffledTasks(random), capacityBytes: 300_000, random })),
  );
});
