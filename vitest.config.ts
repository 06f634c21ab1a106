import { defineConfig } from 'vitest/config';
import { fromSource } from './test/from-source.ts';

export default defineConfig({
  ...fromSource,
  test: {
    include: [
      'src/**/*.test.ts',
      'packages/*/src/**/*.test.ts',
      'test/simulation/**/*.test.ts',
      'test/documentation/**/*.test.ts',
      'test/house/**/*.test.ts',
      'release/**/*.test.ts',
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
