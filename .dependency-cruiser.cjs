// The boundaries between the rooms, see docs/architecture.md.
const rooms = {
  zookeeper: ['zookeeper', 'runtime'],
  records: ['records'],
  store: ['store', 'zookeeper', 'records', 'runtime'],
  config: ['config'],
  provider: ['provider', 'records', 'runtime', 'config'],
  scheduling: ['scheduling', 'records', 'config'],
  telemetry: ['telemetry', 'runtime'],
  launcher: ['launcher', 'scheduling', 'store', 'provider', 'config', 'records', 'runtime', 'telemetry'],
  builder: ['builder', 'scheduling', 'store', 'provider', 'config', 'records', 'runtime', 'telemetry'],
  api: ['api', 'store', 'records', 'config', 'scheduling', 'telemetry', 'runtime'],
};

const roomRules = Object.entries(rooms).map(([room, allowed]) => ({
  name: `room-${room}`,
  comment: `src/${room} may import only: ${allowed.join(', ')}`,
  severity: 'error',
  from: { path: `^src/${room}/`, pathNot: '\\.test\\.ts$|/testing/' },
  to: { path: '^src/', pathNot: `^src/(${allowed.join('|')})(/|\\.ts$)` },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...roomRules,
    {
      name: 'drivers-know-little',
      comment:
        'A driver may import provider/, config/ (schema helpers), records/ (types), the runtime and what a family shares.',
      severity: 'error',
      from: { path: '^src/drivers/([^/]+)/', pathNot: '\\.test\\.ts$|/testing/' },
      to: {
        path: '^src/',
        pathNot: ['^src/drivers/($1|[^/]+-family)/', '^src/(provider|config|records)/', '^src/runtime\\.ts$'],
      },
    },
    {
      name: 'leaf-runtime',
      severity: 'error',
      from: { path: '^src/runtime\\.ts$' },
      to: { path: '^src/' },
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
    {
      name: 'no-tests-in-product',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$|/testing/' },
      to: { path: '\\.test\\.ts$|/testing/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
  },
};
