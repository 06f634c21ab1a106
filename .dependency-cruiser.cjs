// The boundaries between the rooms: rooms.cjs has the table, docs/architecture.md shows it. Tests and their helpers are left out
// here, since they close circles that the product does not have; .dependency-cruiser.tests.cjs is about them.
const { rooms } = require('./rooms.cjs');

const testFiles = '\\.test\\.ts$|/testing/';
const top = Object.keys(rooms).filter((room) => !room.includes('/'));
const parentOf = (room) => room.slice(0, room.lastIndexOf('/'));
const folders = (names) => names.map((name) => `^src/${name}/`);
const allOf = (alternatives) => `(${alternatives.join('|')})`;

/** Towards other rooms: one rule for each room. */
const roomRules = top.map((room) => ({
  name: `room-${room}`,
  comment: `src/${room} may import only: ${['base', ...rooms[room].may].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: folders([room, 'base', ...rooms[room].may]) },
}));

/** Among the sub-rooms of one room: a sub-room imports the siblings that it names, and never its parent's own files but those that all share. */
const subRoomRules = Object.keys(rooms)
  .filter((room) => room.includes('/'))
  .map((room) => ({
    name: `room-${room}`,
    comment: `src/${room} may import of its own house only: ${rooms[room].may.join(', ') || 'nothing'}`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: `^src/${parentOf(room)}/[^/]+/`, pathNot: folders([room, ...rooms[room].may]) },
  }));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-folder-cycles',
      severity: 'error',
      scope: 'folder',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'unknown-room',
      comment: 'A new folder of src/ states in rooms.cjs what it knows and what it may import.',
      severity: 'error',
      from: { path: '^src/', pathNot: folders(top) },
      to: {},
    },
    {
      name: 'unknown-sub-room',
      comment: 'So does a new folder of a room; clouds and the helpers of tests are the exceptions.',
      severity: 'error',
      from: {
        path: '^src/[^/]+/.+/[^/]+$',
        pathNot: [
          `^src/${allOf(Object.keys(rooms).filter((room) => room.includes('/')))}/[^/]+$`,
          '^src/drivers/',
          '/testing/',
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
      from: { path: '^src/(zookeeper/protocol|records|scheduling)/', pathNot: '\\.test\\.ts$' },
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
    doNotFollow: { path: 'node_modules' },
    exclude: { path: `^dist/|${testFiles}` },
  },
};
