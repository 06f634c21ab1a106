import { defineConfig } from 'vitest/config';
import { fromSource } from './test/from-source.ts';

/** Suites that need partners: Apache ZooKeeper, sshd, Python. A missing partner is a failure, not a skip. */
export default defineConfig({
  ...fromSource,
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
