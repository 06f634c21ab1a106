/**
 * Our commands beside the Python ones: the same table from the same tree, and of two equal trees each changes one, so that
 * they must be equal again. Over TLS, in an Apache ZooKeeper and in the embedded server; the trees are below two chroots.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deleteTree } from '../../../src/store/transactions/tree.ts';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, type ServerAddress, type ZooKeeper } from '@nodepool/zookeeper';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Answer, answer, comparable } from '../support/answer.ts';
import { python, pythonIsThere } from '../support/python.ts';
import { buildIds, buildStates, dumpTree, fillTree, newBuild, uploadIds, uploadStates } from './tree.ts';

const nodepool = fileURLToPath(new URL('../../../bin/nodepool', import.meta.url));
const sides = ['python', 'ours'] as const;
type Side = (typeof sides)[number];

/** Half an hour into an hour, so that ages in hours are the same for both. */
const ageMs = ((3 * 24 + 4) * 60 + 30) * 60_000;

let directory: string;
let server: Server;
let trees: Record<Side, ZooKeeper>;
let startMs: number;

interface Server {
  readonly plain: ServerAddress;
  readonly securePort: number;
  close(): Promise<void>;
}

/** They leave `ca.pem`, `client.pem` and `client.key` in the directory. */
const servers = {
  async Apache(): Promise<Server> {
    const apache = await startApache(1);
    const files = { ca: 'ca.pem', cert: 'client.pem', key: 'client.key' } as const;
    for (const name of ['ca', 'cert', 'key'] as const) {
      writeFileSync(join(directory, files[name]), String(apache.tls[name]), { mode: 0o600 });
    }
    const { plain, secure } = apache.servers[0]!;
    return { plain, securePort: secure.port, close: () => apache.close() };
  },
  async embedded(): Promise<Server> {
    await makeCertificates(directory);
    const file = (name: string) => join(directory, name);
    const coordinator = await startCoordinator({
      dataDir: file('data'),
      tlsPort: 0,
      tls: { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') },
      runtime: systemRuntime,
    });
    const { port, tlsPort } = coordinator.address;
    return { plain: { host: '127.0.0.1', port: port! }, securePort: tlsPort!, close: () => coordinator.close() };
  },
};

async function start(kind: keyof typeof servers): Promise<void> {
  pythonIsThere();
  directory = mkdtempSync(join(tmpdir(), 'nodepool-commands-'));
  server = await servers[kind]();
  const { plain, securePort } = server;
  const root = createZooKeeper({ servers: [plain], runtime: systemRuntime });
  for (const side of sides) {
    await root.ensurePath(`/${side}`);
    writeFileSync(
      configOf(side),
      `zookeeper-servers: [{host: localhost, port: ${securePort}, chroot: /${side}}]
zookeeper-tls: {ca: ${directory}/ca.pem, cert: ${directory}/client.pem, key: ${directory}/client.key}
elements-dir: /elements
images-dir: ${directory}
labels: [{name: debian}]
diskimages:
  - {name: base, abstract: true, elements: [vm]}
  - {name: debian, parent: base}
  - {name: bare, elements: [vm]}
  - {name: asleep, elements: [vm], pause: true}
providers:
  - name: cloud1
    driver: static
    pools: []
`,
    );
  }
  await root.close();
  const tree = (chroot: string) => createZooKeeper({ servers: [plain], chroot, runtime: systemRuntime });
  trees = { python: tree('/python'), ours: tree('/ours') };
}

async function stop(): Promise<void> {
  for (const side of sides) await trees[side].close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}

const configOf = (side: Side) => join(directory, `${side}.yaml`);

async function refill(): Promise<void> {
  startMs = Date.now();
  for (const side of sides) {
    await deleteTree(trees[side], '/nodepool');
    await fillTree(trees[side], startMs - ageMs);
  }
}

function runWith(input: string | undefined, program: Side, tree: Side, ...argv: string[]): Promise<Answer> {
  const [command, ...first] = program === 'python' ? python('cli') : [process.execPath, nodepool];
  return answer(command, [...first, '-c', configOf(tree), ...argv], input === undefined ? {} : { input });
}

const run = (program: Side, tree: Side, ...argv: string[]) => runWith(undefined, program, tree, ...argv);

/** The Python commands make the directory of a lock when they look who holds it. */
function withoutIdleLocks(tree: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const idle = (path: string) => path.endsWith('/lock') && !Object.keys(tree).some((one) => one.startsWith(`${path}/`));
  return Object.fromEntries(Object.entries(tree).filter(([path]) => !idle(path)));
}

describe.each(['Apache', 'embedded'] as const)('%s:', (kind) => {
  beforeAll(() => start(kind));
  afterAll(stop);

  describe('on the same tree', () => {
    beforeAll(refill);

    test.each([
      [['list'], 11],
      [['list', '--detail'], 11],
      [['request-list'], 4],
      [['image-list'], 8],
      [['dib-image-list'], 5],
      [['image-status'], 3],
      [['info', 'cloud1'], 7],
      [['info', 'nobody'], 0],
      [['alien-image-list', 'nobody'], 0],
    ])('%j gives the same table', async (argv, rows) => {
      const [theirs, ours] = await Promise.all(sides.map((side) => run(side, 'python', ...argv)));
      expect(comparable(ours!)).toEqual(comparable(theirs!));
      expect(theirs!.status).toBe(0);
      expect(comparable(ours!).rows).toHaveLength(rows);
    });
  });

  describe('on two equal trees', () => {
    beforeEach(refill);

    const everyBuild = buildStates.map((state) => ['dib-image-delete', `debian-${buildIds[state]}`]);
    const everyUpload = uploadStates.map((state) => [
      ...['image-delete', '--provider', 'cloud1', '--image', 'debian'],
      ...['--build-id', newBuild, '--upload-id', uploadIds[state]],
    ]);

    test.each([
      [
        0,
        [
          ['hold', '0000000002'],
          ['hold', '0000000099'],
        ],
      ],
      [
        0,
        [
          ['delete', '0000000002'],
          ['delete', '0000000005'],
          ['delete', '0000000099'],
        ],
      ],
      [1, [['hold', '0000000003']]],
      [
        0,
        [
          ['image-build', 'debian'],
          ['image-build', 'bare'],
        ],
      ],
      [
        1,
        [
          ['image-build', 'base'],
          ['image-build', 'asleep'],
          ['image-build', 'nothing'],
          ['image-pause', 'nothing'],
        ],
      ],
      [
        0,
        [
          ['image-pause', 'debian'],
          ['image-pause', 'paused'],
          ['image-unpause', 'paused'],
          ['image-unpause', 'bare'],
        ],
      ],
      [0, [...everyBuild, ['dib-image-delete', 'debian-ffff']]],
      [1, [['dib-image-delete', 'nodash']]],
      [0, [...everyUpload, [...everyUpload[0]!.slice(0, -1), '0000000099']]],
      [0, [['erase', 'cloud1', '--force']]],
      [1, [['erase', 'cloud1']]],
      [1, [[]]],
      [2, [['no-such-command'], ['image-delete', '--image', 'debian'], ['hold']]],
    ] as [number, string[][]][])('status %i and the same effect: %j', async (status, commands) => {
      for (const argv of commands) {
        const [theirs, ours] = await Promise.all(sides.map((side) => run(side, side, ...argv)));
        expect([theirs!.status, ours!.status], argv.join(' ')).toEqual([status, status]);
        if (status === 0) expect(comparable(ours!), argv.join(' ')).toEqual(comparable(theirs!));
      }
      const dumps = await Promise.all(sides.map((side) => dumpTree(trees[side], startMs)));
      expect(dumps[1]).toEqual(dumps[0]);
    });

    // They are alike on both servers; one of them is enough.
    test.runIf(kind === 'embedded').each([
      [['info', 'cloud2']],
      [['--debug', 'list', '--detail']],
      [['-s', 'secure.yaml', 'image-status']],
      [['erase', 'cloud2'], 'y\n'],
      [['erase', 'cloud2'], 'Y\n'],
      [['erase', 'cloud2'], 'yes\n'],
      [['erase', 'nobody', '--force']],
      [['delete', '--now', '0000000001']],
      [['delete', '--now', '0000000005']],
      [['delete', '--now', '0000000099']],
      [['delete', '0000000002', '--now']],
      [
        [
          'image-delete',
          ...everyUpload[1]!
            .slice(1)
            .reverse()
            .flatMap((_, i, all) => (i % 2 ? [`${all[i]}=${all[i - 1]}`] : [])),
        ],
      ],
    ] as [string[], string?][])('options and answers: %j %j', async (argv, input) => {
      writeFileSync(join(directory, 'secure.yaml'), '---\n');
      const given = argv.map((one) => (one === 'secure.yaml' ? join(directory, one) : one));
      const [theirs, ours] = await Promise.all(sides.map((side) => runWith(input, side, side, ...given)));
      expect(comparable(ours!)).toEqual(comparable(theirs!));
      expect(theirs!.status).toBe(0);
      const dumps = await Promise.all(sides.map((side) => dumpTree(trees[side], startMs)));
      const [theirTree, ourTree] = dumps.map(withoutIdleLocks);
      expect(ourTree).toEqual(theirTree);
    });

    test('image data goes out and in the same way, and crosswise', async () => {
      const file = (side: Side) => join(directory, `${side}.json`);
      for (const side of sides)
        expect(await run(side, side, 'export-image-data', file(side))).toEqual({ status: 0, stdout: '' });
      const [theirs, ours] = sides.map((side) => JSON.parse(readFileSync(file(side), 'utf8')) as unknown);
      expect(ours).toEqual(theirs);
      const before = await dumpTree(trees.ours, startMs);
      expect(Object.keys(ours as object).length).toBe(14);
      for (const side of sides) {
        await deleteTree(trees[side], '/nodepool/images');
        const from = side === 'ours' ? 'python' : 'ours';
        expect(await run(side, side, 'import-image-data', file(from))).toEqual({ status: 0, stdout: '' });
      }
      const [theirTree, ourTree] = await Promise.all(sides.map((side) => dumpTree(trees[side], startMs)));
      expect(ourTree).toEqual(theirTree);
      for (const path of Object.keys(ours as object)) expect(ourTree![path]).toEqual(before[path]);
      const next = sides.map(async (side) => {
        const path = `/nodepool/images/debian/builds/${newBuild}/providers/cloud1/images/`;
        return (await trees[side].create(path, Buffer.alloc(0), { mode: 'persistent-sequential' })).path;
      });
      const [theirNext, ourNext] = await Promise.all(next);
      expect(ourNext).toBe(theirNext);
      rmSync(file('ours'));
      rmSync(file('python'));
    });
  });
});
