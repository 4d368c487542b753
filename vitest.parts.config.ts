import {defineConfig} from 'vitest/config';

/** Tests that need more than npm, what CI installs with apt; and those that take minutes. */
export default defineConfig({
  test: {
    include: ['test/parts/**/*.test.ts'],
    reporters: ['default', './test/closing-line.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: Number(process.env['THAW_TEST_RETRIES'] ?? 0),
    pool: 'forks',
    maxWorkers: 1,
  },
});
