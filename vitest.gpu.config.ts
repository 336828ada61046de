import { defineConfig } from 'vitest/config';

/** What needs a GPU: the engines that can run here, one after the other. */
export default defineConfig({
  test: {
    include: ['tests/gpu/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    retry: 0,
    reporters: ['verbose'],
  },
});
