import { defineConfig } from 'vitest/config';

/** Suites that need partners: Apache ZooKeeper, sshd, Python. A missing partner is a failure, not a skip. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
