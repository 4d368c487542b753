import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{arch,unit,providers,cli}/**/*.test.ts'],
    reporters: ['default', './test/closing-line.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
