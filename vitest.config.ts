import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/{unit,contract,integration}/**/*.test.ts'],
    // Whole clusters that take their time: vitest.slow.config.ts has them.
    exclude: [...configDefaults.exclude, '**/*.slow.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
