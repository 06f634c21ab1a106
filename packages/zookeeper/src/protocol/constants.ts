/** Numbers of the protocol, named as in Apache ZooKeeper's ZooDefs, KeeperException and CreateMode. */

export const opCode = {
  notification: 0,
  create: 1,
  delete: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  getAcl: 6,
  setAcl: 7,
  getChildren: 8,
  sync: 9,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  create2: 15,
  checkWatches: 17,
  removeWatches: 18,
  createContainer: 19,
  createTtl: 21,
  multiRead: 22,
  auth: 100,
  setWatches: 101,
  getEphemerals: 103,
  getAllChildrenNumber: 104,
  setWatches2: 105,
  addWatch: 106,
  closeSession: -11,
  error: -1,
} as const;

/** Reserved transaction ids of requests that are not calls. */
export const xid = { notification: -1, ping: -2, auth: -4, setWatches: -8 } as const;

export const errorCode = {
  ok: 0,
  systemError: -1,
  runtimeInconsistency: -2,
  connectionLoss: -4,
  marshallingError: -5,
  unimplemented: -6,
  operationTimeout: -7,
  badArguments: -8,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
  sessionMoved: -118,
  notReadOnly: -119,
  noWatcher: -121,
} as const;

export const createFlags = {
  persistent: 0,
  ephemeral: 1,
  'persistent-sequential': 2,
  'ephemeral-sequential': 3,
  container: 4,
  'persistent-ttl': 5,
  'persistent-sequential-ttl': 6,
} as const;

export const eventType = {
  created: 1,
  deleted: 2,
  'data-changed': 3,
  'children-changed': 4,
  'data-watch-removed': 5,
  'child-watch-removed': 6,
  'persistent-watch-removed': 7,
} as const;

/** State in a watcher event: the session is connected. */
export const syncConnected = 3;

export const addWatchMode = { persistent: 0, 'persistent-recursive': 1 } as const;

export const watcherType = { children: 1, data: 2, any: 3, persistent: 4, 'persistent-recursive': 5 } as const;

export const permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;
