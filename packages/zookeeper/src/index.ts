/** The public surface of the ZooKeeper library (see README.md): client and recipes. The embedded server is `./server`. */
export { createZooKeeper } from './client/client.ts';
export { parseConnectString } from './client/connect-string.ts';
export { type Diagnosis, diagnose, type ServerTarget } from './client/diagnose.ts';
export type { ZooKeeperOptions } from './client/options.ts';
export * from './contract/errors.ts';
export type { Logger } from './contract/logger.ts';
export {
  readTlsFiles,
  TlsFileError,
  type TlsFiles,
  TlsFileWatch,
  type TlsFileWatchOptions,
  type TlsMaterial,
} from './client/tls-files.ts';
export type { Connector, TlsOptions } from './client/session/transport.ts';
export type * from './contract/types.ts';
export type { ZooKeeperErrorCode } from './protocol/error-catalogue.ts';
export { pathProblem } from './protocol/path.ts';
export { BatchedReads } from './recipes/batched-reads.ts';
export { runElection } from './recipes/election.ts';
export {
  forceUnlock,
  HeldLock,
  isContender,
  lock,
  type LockOptions,
  type LockResult,
  newContenderPrefix,
  removeContender,
  removeLockDirectory,
  sortContenders,
  tryLock,
} from './recipes/lock.ts';
export { Mirror, type MirrorEntry, type MirrorOptions } from './recipes/mirror.ts';
