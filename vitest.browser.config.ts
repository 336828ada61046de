import { defineConfig } from 'vitest/config';

/** The live page in a real browser: one file at a time, never tried again. */
export default defineConfig({
  test: {
    include: ['tests/browser/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    retry: 0,
    reporters: ['verbose'],
  },
});
