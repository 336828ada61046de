import { defineConfig } from 'vitest/config';

/** A real container engine, with the compose files as users have them: one file at a time. */
export default defineConfig({
  test: {
    include: ['tests/containers/**/*.test.ts'],
    globalSetup: ['tests/containers/global-setup.ts'],
    testTimeout: 300_000,
    hookTimeout: 600_000,
    fileParallelism: false,
    retry: 0,
    reporters: ['verbose'],
  },
});
