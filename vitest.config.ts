import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{arch,unit,providers,fakes,cli}/**/*.test.ts'],
    reporters: ['default', './test/closing-line.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // For CI: processes, sockets and clocks on a machine of others. What passed only so is named at the end.
    retry: Number(process.env['THAW_TEST_RETRIES'] ?? 0),
    pool: 'forks',
    maxWorkers: 2,
  },
});
