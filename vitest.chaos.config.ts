import { defineConfig } from 'vitest/config';

/** Real processes, real signals: one scenario at a time, never tried again. */
export default defineConfig({
  test: {
    include: ['tests/chaos/**/*.test.ts'],
    globalSetup: ['tests/chaos/global-setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    retry: 0,
    reporters: ['verbose'],
  },
});
