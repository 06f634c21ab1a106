/**
 * Clock, timers and randomness, which only one file asks the machine for: that of the ZooKeeper library, which needs them
 * too and must not know this house. Everything else is handed a Runtime (docs/decisions/0011-time-and-chance-are-handed-in.md).
 */
export { type Runtime, sleep, systemRuntime, type Timer } from '@nodepool/zookeeper/runtime';
