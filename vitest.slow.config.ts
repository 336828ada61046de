import { defineConfig } from 'vitest/config';

/** The slower tiers: whole trainings and whole clusters, one after the other. */
export default defineConfig({
  test: {
    include: ['tests/slow/**/*.test.ts', 'tests/integration/**/*.slow.test.ts'],
    testTimeout: 900_000,
    fileParallelism: false,
  },
});
