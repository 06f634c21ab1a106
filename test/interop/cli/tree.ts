/** A tree with nodes, requests, builds and uploads in every state, and what a tree holds. */
import { encodeNode, newNode, type NodeFields, nodeStates } from '../../../src/records/node.ts';
import { encodeRequest, newRequest, type RequestFields } from '../../../src/records/request.ts';
import { paths } from '../../../src/store/paths.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';

export const newBuild = '0123456789abcdef0123456789abcdef';
export const uploadStates = ['uploading', 'ready', 'deleting', 'failed'] as const;
export const buildStates = ['building', 'ready', 'deleting', 'failed'] as const;

/** By state. */
export const buildIds = {
  building: '0000000001',
  ready: newBuild,
  deleting: '0000000003',
  failed: '0000000004',
} as const;
/** By state; the lock took the number 0. */
export const uploadIds = {
  uploading: '0000000001',
  ready: '0000000002',
  deleting: '0000000003',
  failed: '0000000004',
} as const;

const empty = Buffer.alloc(0);
const json = (value: object) => Buffer.from(JSON.stringify(value));

/** `atMs`: when all of it happened. The n-th node has the number n. */
export async function fillTree(client: ZooKeeper, atMs: number): Promise<void> {
  await fillNodes(client, atMs);
  await fillRequests(client, atMs);
  await fillImages(client, atMs);
}

async function fillNodes(client: ZooKeeper, atMs: number): Promise<void> {
  await client.ensurePath(paths.nodes);
  const special: NodeFields[] = [
    { externalId: { vm: 'a', ids: ['b', 1] }, connectionPort: { token: 'secret' }, provider: 'k8s' },
    { publicIpv6: '2001:db8::1', az: 'az1', connectionPort: 19885, holdJob: 'job', comment: 'for a "look"' },
    { userData: { zuul_system: 'zuul', id: 3 }, driverData: { slot: 0, node: null }, username: null },
    { labels: ['a', 'b', 'c'], hostname: 'host.example.org', privateIpv4: '10.0.0.1', connectionPort: '22' },
    { userData: '{"owner": "x"}', allocatedTo: '200-0000000001', publicIpv4: '192.0.2.1' },
    { provider: null, pool: null, labels: [] },
  ];
  for (const [index, state] of nodeStates.entries()) {
    const node = newNode(
      {
        state,
        provider: index % 2 === 0 ? 'cloud1' : 'cloud2',
        pool: 'main',
        labels: ['debian'],
        externalId: `server-${index}`,
        launcher: 'launcher1-PoolWorker.cloud1-main-0123',
        nodeProperties: {},
        ...special[index],
      },
      atMs,
    );
    await client.create(`${paths.nodes}/`, encodeNode(node), { mode: 'persistent-sequential' });
  }
  await client.ensurePath(`${paths.nodeLock('0000000003')}/0123456789abcdef0123456789abcdef__lock__0000000000`);
}

async function fillRequests(client: ZooKeeper, atMs: number): Promise<void> {
  await client.ensurePath(paths.requests);
  const requests: RequestFields[] = [
    { state: 'requested', nodeTypes: ['debian', 'debian'], requestor: 'zuul', relativePriority: 7 },
    { state: 'pending', nodeTypes: ['debian'], requestor: 'NodePool:min-ready', declinedBy: ['p1', 'p2'] },
    { state: 'fulfilled', nodeTypes: ['a', 'b'], nodes: ['0000000001', '0000000002'], eventId: 'e3' },
    { state: 'failed', nodeTypes: [], declinedBy: ['p1'], eventId: 'e4' },
  ];
  for (const [index, fields] of requests.entries()) {
    const request = newRequest({ nodeTypes: [], requestor: null, ...fields }, atMs);
    await client.create(`${paths.requests}/${index + 1}00-`, encodeRequest(request), { mode: 'persistent-sequential' });
  }
}

export async function fillImages(client: ZooKeeper, atMs: number): Promise<void> {
  const state_time = atMs / 1000;
  const common = { username: 'zuul', python_path: 'auto', shell_type: null };
  for (const image of ['debian', 'paused', 'bare']) await client.ensurePath(paths.image(image));
  await client.create(paths.imagePause('paused'), empty);
  await client.ensurePath(paths.buildLock('debian'));
  for (const state of buildStates) {
    const formats = state === 'ready' ? { formats: 'qcow2,raw' } : {};
    const build = { state, state_time, builder: 'builder1.example.org', builder_id: 'f2b1', ...formats, ...common };
    await client.create(paths.build('debian', buildIds[state]), json(build));
  }
  const plain = { state: 'ready', state_time, ...common };
  await client.ensurePath(paths.builds('paused'));
  await client.create(paths.build('paused', '0000000009'), json(plain));
  for (const provider of ['cloud1', 'cloud2']) {
    const container = paths.uploads('debian', newBuild, provider);
    await client.ensurePath(`${container}/lock`);
    for (const state of uploadStates) {
      const ready = state === 'ready' || state === 'deleting';
      const external = { external_id: ready ? `id-${provider}` : null, external_name: ready ? 'debian-17' : null };
      const upload = { state, state_time, ...external, format: ready ? 'raw' : null, ...common };
      await client.create(`${container}/`, json(upload), { mode: 'persistent-sequential' });
    }
  }
  await client.ensurePath(paths.buildRequest('debian'));
  await client.ensurePath(paths.buildProviders('paused', '0000000009') + '/cloud1/images');
}

/** Documents by path; times that are later than `sinceMs` count as the same. */
export async function dumpTree(
  client: ZooKeeper,
  sinceMs: number,
  path: string = paths.root,
): Promise<Record<string, unknown>> {
  const { data } = await client.get(path);
  const dump: Record<string, unknown> = { [path]: valueOf(data.toString(), sinceMs) };
  for (const name of [...(await client.children(path)).children].sort()) {
    if (path === paths.root && name === 'components') continue;
    Object.assign(dump, await dumpTree(client, sinceMs, `${path}/${name}`));
  }
  return dump;
}

function valueOf(text: string, sinceMs: number): unknown {
  if (!text.startsWith('{')) return text;
  const document = JSON.parse(text) as Record<string, unknown>;
  if (Number(document['state_time']) * 1000 >= sinceMs) document['state_time'] = 'now';
  return document;
}
