/**
 * The rooms of the house: what each knows and which others it may import. The one place that says so: the boundary check
 * (.dependency-cruiser.cjs) makes its rules from it, and a test holds the table in docs/architecture.md against it.
 *
 * A room is a folder of src/; zookeeper is packages/zookeeper/src. `base` may be imported by every room, and a room's own files by one another. A sub-room
 * ("launcher/serving") says which of its siblings it may import; towards other rooms its parent's line holds. The
 * files that lie directly in a room with sub-rooms may import all of those. `planned` rooms need not be there yet.
 */
const rooms = {
  base: { knows: 'words of everybody: runtime, logger, back-off, troubles, signals', may: ['zookeeper/runtime'] },
  records: { knows: 'the documents of the contract, kept to the digit', may: [] },
  zookeeper: { knows: 'the ZooKeeper protocol; a package of its own that never heard of Nodepool', may: [] },
  'zookeeper/runtime': { knows: 'clock, timers, randomness: the only file that asks the machine for them', may: [] },
  'zookeeper/protocol': { knows: 'bytes and records', may: ['zookeeper/runtime'] },
  'zookeeper/protocol/messages': {
    knows: 'one file a message, with both directions: for client and server',
    may: ['zookeeper/protocol'],
  },
  'zookeeper/contract': { knows: 'what a user hands in and gets back: types, errors', may: ['zookeeper/protocol'] },
  'zookeeper/client': {
    knows: 'operations, watches, paths, certificates',
    may: ['zookeeper/runtime', 'zookeeper/protocol', 'zookeeper/contract'],
  },
  'zookeeper/client/session': { knows: 'one session over changing connections', may: [] },
  'zookeeper/recipes': {
    knows: 'lock, election, mirror',
    may: ['zookeeper/runtime', 'zookeeper/contract'],
  },
  'zookeeper/server': {
    knows: 'the embedded server',
    may: ['zookeeper/runtime', 'zookeeper/protocol', 'zookeeper/contract', 'zookeeper/client'],
  },
  'zookeeper/server/tree': { knows: "the server's tree and sessions in memory", may: [] },
  'zookeeper/server/storage': { knows: 'journal and data file on the disk', may: ['zookeeper/server/tree'] },
  telemetry: { knows: 'statsd, metrics, traces', may: [] },
  'telemetry/log': { knows: 'outputs, levels and layouts of the log', may: [] },
  config: { knows: 'files to a checked, typed configuration; the difference of two', may: [] },
  'config/yaml': { knows: 'text with positions, in the dialect of PyYAML', may: [] },
  store: { knows: 'paths; the only room that knows where documents lie', may: ['zookeeper', 'records'] },
  'store/mirrors': { knows: 'reading: typed mirrors of the tree', may: [] },
  'store/transactions': {
    knows: 'writing: every step on the tree, checked and all or nothing',
    may: ['store/mirrors'],
  },
  'driver-kit': { knows: 'what a driver is written with: contract, errors, defaults, parts of keys', may: ['config'] },
  'driver-kit/host-keys': { knows: 'reading the host keys of a machine', may: [] },
  'driver-kit/vm': { knows: 'what clouds of virtual machines share: keys, loading, images of labels', may: [] },
  drivers: { knows: 'one cloud each; `catalogue.ts` is the list of them', may: ['driver-kit', 'config'] },
  provider: {
    knows: 'running one driver: life cycle, machines, listing, limits, leaks',
    may: ['driver-kit', 'config'],
  },
  scheduling: { knows: 'pure decisions with their reasons', may: ['records', 'config'] },
  reconcile: { knows: 'keyed queues, watchdog, health: the engine under every daemon', may: ['store', 'records'] },
  launcher: {
    knows: 'requests to nodes: carrying decisions out',
    may: ['reconcile', 'scheduling', 'store', 'provider', 'driver-kit', 'config', 'records', 'telemetry'],
  },
  'launcher/backing': { knows: 'nodes that carry the nodes of a metastatic provider', may: [] },
  'launcher/pools': { knows: 'what is served: providers, pools, hosts, and what they have in use', may: [] },
  'launcher/serving': {
    knows: 'one request from acceptance to hand-over, one node from launch to ready',
    may: ['launcher/pools'],
  },
  'launcher/dispatch': {
    knows: 'which request is taken next, by which pool',
    may: ['launcher/serving', 'launcher/pools'],
  },
  'launcher/upkeep': { knows: 'stock, deletion, eviction, remains', may: ['launcher/serving', 'launcher/pools'] },
  'launcher/figures': { knows: 'metrics and statistics', may: ['launcher/serving', 'launcher/pools'] },
  builder: {
    knows: 'disk images: built, uploaded, retired',
    may: ['reconcile', 'scheduling', 'store', 'provider', 'config', 'records', 'telemetry'],
    planned: true,
  },
  'builder/builds': { knows: 'building', may: [], planned: true },
  'builder/uploads': { knows: 'uploading', may: [], planned: true },
  'builder/retention': { knows: 'what is kept and what goes', may: [], planned: true },
  leases: { knows: 'who has which nodes until when; no HTTP', may: ['reconcile', 'store', 'records'], planned: true },
  history: { knows: 'what has been, written from mirrors', may: ['reconcile', 'store', 'records'], planned: true },
  listings: { knows: 'rows, columns and formats that pages and commands show alike', may: ['store', 'records'] },
  doctor: {
    knows: 'rules over the tree and the file: what is stuck and why',
    may: ['listings', 'scheduling', 'store', 'config', 'records', 'zookeeper', 'program'],
  },
  api: {
    knows: 'what is shown over HTTP',
    may: ['leases', 'history', 'listings', 'store', 'scheduling', 'records', 'telemetry', 'config'],
  },
  'api/http': { knows: 'connections, answers, cached pages', may: [] },
  'api/pages': { knows: "the status pages, the Python launcher's byte for byte", may: ['api/http'] },
  program: {
    knows: 'what every process begins with: configuration, connection, signals',
    may: [
      'api',
      'launcher',
      'builder',
      'drivers',
      'provider',
      'driver-kit',
      'store',
      'config',
      'records',
      'telemetry',
      'zookeeper',
    ],
  },
  'program/logging': { knows: "a process's log: options, Python's logging files, loggers by room", may: [] },
  'program/daemon': {
    knows: 'what makes a process a daemon: pid file, systemd, reload, certificates',
    may: ['program/logging'],
  },
  cli: {
    knows: 'the programs and their commands; nobody imports it',
    may: [
      'program',
      'doctor',
      'listings',
      'drivers',
      'provider',
      'driver-kit',
      'scheduling',
      'store',
      'config',
      'records',
      'telemetry',
      'zookeeper',
    ],
  },
  'cli/commands': { knows: 'one file a command: its options, examples, and the action it calls', may: ['cli/actions'] },
  'cli/actions': { knows: 'what commands do; loaded when one is called', may: ['cli/tree-copy'] },
  'cli/tree-copy': { knows: 'reading, comparing and writing whole trees', may: [] },
};

/**
 * Helpers of tests (folders called testing/) see more than the product: what their room sees, other rooms' helpers, and
 * what is named here. The product never imports them.
 */
const helpers = {
  base: ['zookeeper'],
  launcher: ['drivers', 'zookeeper'],
  doctor: ['drivers'],
  drivers: ['provider'],
};

/** The folder of a room, without a slash at its end. */
const folderOf = (room) =>
  /^zookeeper(\/|$)/.test(room) ? room.replace('zookeeper', 'packages/zookeeper/src') : `src/${room}`;

module.exports = { rooms, helpers, folderOf };
