/** Pauses between tries. The class is the ZooKeeper library's, which needs it too and must not know this house. */
export { Backoff, fullPauseMs } from '@nodepool/zookeeper/runtime';
