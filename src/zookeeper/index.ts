/** The public surface of the ZooKeeper library (see README.md). */
export { createZooKeeper, type ZooKeeperOptions } from './client/client.ts';
export { parseConnectString } from './client/connect-string.ts';
export * from './client/errors.ts';
export type * from './client/types.ts';
export { runElection } from './recipes/election.ts';
export { forceUnlock, HeldLock, lock, type LockOptions, type LockResult, tryLock } from './recipes/lock.ts';
export { Mirror, type MirrorEntry, type MirrorOptions } from './recipes/mirror.ts';
export { type Coordinator, type CoordinatorOptions, startCoordinator } from './server/coordinator.ts';
export { type Address, CoordinatorError, readAddress } from './server/storage/data-directory.ts';
