// The boundaries between the rooms: rooms.cjs has the table, docs/architecture.md shows it. Tests and their helpers are left out
// here, since they close circles that the product does not have; .dependency-cruiser.tests.cjs is about them.
const { rooms, folderOf } = require('./rooms.cjs');

const testFiles = '\\.test\\.ts$|/testing/';
const top = Object.keys(rooms).filter((room) => !room.includes('/'));
const topOf = (room) => room.slice(0, room.indexOf('/'));
/** What a sub-room of a sub-room may import because the outer one may: the tree of the embedded server reads the protocol. */
const outer = (room) => (room.split('/').length > 2 ? rooms[parentOf(room)].may : []);
const parentOf = (room) => room.slice(0, room.lastIndexOf('/'));
const folders = (names) => names.map((name) => `^${folderOf(name)}/`);
const product = '^(src|packages/[^/]+/src)/';
const allOf = (alternatives) => `(${alternatives.join('|')})`;

/** Towards other rooms: one rule for each room. */
const roomRules = top.map((room) => ({
  name: `room-${room}`,
  comment: `${room} may import only: ${['base', ...rooms[room].may].join(', ')}`,
  severity: 'error',
  from: { path: `^${folderOf(room)}/` },
  to: { path: product, pathNot: folders([room, 'base', ...rooms[room].may]) },
}));

/** Among the sub-rooms of one room: a sub-room imports the siblings that it names; the files directly in the room are for all. */
const subRoomRules = Object.keys(rooms)
  .filter((room) => room.includes('/'))
  .map((room) => ({
    name: `room-${room}`,
    comment: `${room} may import of its own house only: ${rooms[room].may.join(', ') || 'nothing'}`,
    severity: 'error',
    from: { path: `^${folderOf(room)}/` },
    to: { path: `^${folderOf(topOf(room))}/[^/]+/`, pathNot: folders([room, ...outer(room), ...rooms[room].may]) },
  }));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-folder-cycles',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
    {
      name: 'unknown-room',
      comment: 'A new folder of src/ states in rooms.cjs what it knows and what it may import.',
      severity: 'error',
      from: { path: product, pathNot: folders(top) },
      to: {},
    },
    {
      name: 'unknown-sub-room',
      comment: 'So does a new folder of a room; clouds and the helpers of tests are the exceptions.',
      severity: 'error',
      from: {
        path: ['^src/[^/]+/.+/[^/]+$', '^packages/[^/]+/src/.+/[^/]+$'],
        pathNot: [
          `^${allOf(
            Object.keys(rooms)
              .filter((room) => room.includes('/'))
              .map(folderOf),
          )}/[^/]+$`,
          '^src/drivers/',
        ],
      },
      to: {},
    },
    ...roomRules,
    ...subRoomRules,
    {
      name: 'drivers-know-no-other-driver',
      comment: 'A driver may import what its family shares; only the catalogue knows them all.',
      severity: 'error',
      from: { path: '^src/drivers/([^/]+)/' },
      to: { path: '^src/drivers/', pathNot: '^src/drivers/($1|[^/]+-family)/' },
    },
    {
      name: 'no-dependencies-in-pure-rooms',
      comment: 'zookeeper/protocol, records and scheduling use no package.',
      severity: 'error',
      from: { path: '^(packages/zookeeper/src/protocol|src/records|src/scheduling)/' },
      to: { path: 'node_modules' },
    },
    {
      name: 'one-file-knows-the-tracing-sdk',
      comment: 'Everything else uses telemetry/tracing.ts, and pays nothing while nobody collects traces.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/telemetry/open-telemetry(\\.test)?\\.ts$' },
      to: { path: 'node_modules/@opentelemetry/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: `^dist/|${testFiles}` },
  },
};
