import { defineConfig } from 'vitest/config';

/** Suites that need a build and partners: Apache ZooKeeper, sshd, Python. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
