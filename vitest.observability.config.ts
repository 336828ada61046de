import { defineConfig } from 'vitest/config';

/** A real Prometheus, and a real run that it scrapes: one file at a time. */
export default defineConfig({
  test: {
    include: ['tests/observability/**/*.test.ts'],
    globalSetup: ['tests/observability/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    retry: 0,
    reporters: ['verbose'],
  },
});
