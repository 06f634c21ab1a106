// What tests' helpers may import, and that the product imports neither tests nor helpers. rooms.cjs has the tables.
const { rooms, helpers, folderOf } = require('./rooms.cjs');

const folders = (names) => names.map((name) => `^${folderOf(name)}/`);
const helperRules = Object.keys(rooms)
  .filter((room) => !room.includes('/'))
  .map((room) => ({
    name: `helpers-of-${room}`,
    comment: `${room}/**/testing may import what its room may, other helpers, and: ${(helpers[room] ?? []).join(', ') || 'nothing else'}`,
    severity: 'error',
    from: { path: `^${folderOf(room)}/(testing|.+/testing)/`, pathNot: '\\.test\\.ts$' },
    to: {
      path: '^src/',
      pathNot: ['/testing/', ...folders([room, 'base', ...rooms[room].may, ...(helpers[room] ?? [])])],
    },
  }));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...helperRules,
    {
      name: 'no-tests-in-product',
      severity: 'error',
      from: { path: '^(src|packages)/', pathNot: '\\.test\\.ts$|/testing/' },
      to: { path: '\\.test\\.ts$|/testing/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
  },
};
