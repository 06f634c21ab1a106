import { defineConfig } from 'vitest/config';
import { fromSource } from './test/from-source.ts';

/** Suites that need the cluster of test/partners/testbeds/kubernetes; `test/kubernetes/run` starts it. */
export default defineConfig({
  ...fromSource,
  test: {
    include: ['test/kubernetes/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 3,
  },
});
