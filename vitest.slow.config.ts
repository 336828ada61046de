import { defineConfig } from 'vitest/config';

/** The slower tiers: whole trainings, one after the other. */
export default defineConfig({
  test: {
    include: ['tests/slow/**/*.test.ts'],
    testTimeout: 900_000,
    fileParallelism: false,
  },
});
