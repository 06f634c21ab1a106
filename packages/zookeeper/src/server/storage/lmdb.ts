/**
 * LMDB, which keeps the data file. The package brings a large binary for each platform, so that it is not a dependency of
 * the library: whoever runs the server installs it, and a mere client need not.
 */
import { CoordinatorError, reasonOf } from './coordinator-error.ts';

/** The package lmdb as its users have it: `import * as lmdb from 'lmdb'`. */
export interface LmdbPackage {
  readonly open: (options: never) => unknown;
}

export type Lmdb = typeof import('lmdb');

/** Throws CoordinatorError where it is neither given nor installed beside this library. */
export async function loadLmdb(given?: LmdbPackage): Promise<Lmdb> {
  try {
    return (given as Lmdb | undefined) ?? (await import('lmdb'));
  } catch (error) {
    throw new CoordinatorError(
      'no-lmdb',
      `the embedded server needs the package lmdb (npm install lmdb): ${reasonOf(error)}`,
      error,
    );
  }
}
