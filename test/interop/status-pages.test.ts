/**
 * The status pages of our launcher beside those of the Python one, on the same tree on Apache ZooKeeper: nodes and requests in
 * every state, with every field, and what is odd in them. Needs the Python Nodepool (NODEPOOL_TEST_PEER).
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, ask } from '../../src/api/testing/http-client.ts';
import { nodeStates } from '../../src/records/node.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { type Apache, freePorts, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Running, until, Workplace } from './support/programs.ts';

const peer = process.env['NODEPOOL_TEST_PEER'] ?? join(homedir(), '.cache/nodepool-ci/peer/bin/nodepool');

let place: Workplace;
let apache: Apache;
let client: ZooKeeper;
let ports: { ours: number; python: number };
const started: Running[] = [];

beforeAll(async () => {
  expect(existsSync(`${peer}-launcher`), `${peer}-launcher is needed (NODEPOOL_TEST_PEER)`).toBe(true);
  place = new Workplace();
  apache = await startApache(1);
  const { plain, secure } = apache.servers[0]!;
  client = createZooKeeper({ servers: [plain] });
  await fill();
  const [ours, python] = await freePorts(2);
  ports = { ours: ours!, python: python! };
  const { ca, cert, key } = apache.tls;
  const tls = Object.entries({ ca, cert, key }).map(
    ([name, pem]) => `${name}: ${place.file(`${name}.pem`, String(pem))}`,
  );
  // No launcher of a provider: nothing changes while both are looked at.
  const config = (name: string, port: number) =>
    place.file(
      name,
      `zookeeper-servers: [{host: 127.0.0.1, port: ${secure.port}}]
zookeeper-tls: {${tls.join(', ')}}
webapp: {port: ${port}, listen_address: 127.0.0.1}
labels: []
providers: []
`,
    );
  started.push(place.start('nodepool-launcher', ['-f', '-c', config('ours.yaml', ports.ours)]));
  started.push(place.spawn(`${peer}-launcher`, ['-d', '-c', config('python.yaml', ports.python)]));
  for (const [index, port] of [ports.ours, ports.python].entries()) {
    await until(
      () => `ready on ${port}: ${started[index]!.output().slice(-3000)}`,
      async () => (await ask(port, '/ready').catch(() => null))?.status === 200,
      60_000,
    );
  }
  // A flag that is there before the image is read is missed by the Python launcher's cache.
  await client.ensurePath('/nodepool/images/image-0/pause');
  await until(
    () => 'image-0 is paused for both',
    async () => (await both('/dib-image-list')).every(({ body }) => body.includes(' paused ')),
    10_000,
  );
});

afterAll(async () => {
  await place?.clear();
  await client?.close();
  await apache?.close();
});

/** Some are so new that no launcher is allowed to touch them; nobody deletes what it has no provider for. */
async function fill(): Promise<void> {
  const put = async (path: string, document: object, ephemeral = false) => {
    await client.ensurePath(path.slice(0, path.lastIndexOf('/')));
    await client.create(path, Buffer.from(JSON.stringify(document)), ephemeral ? { mode: 'ephemeral' } : {});
  };
  const now = Math.floor(Date.now() / 1000);
  for (const [index, state] of nodeStates.entries()) {
    const id = String(index).padStart(10, '0');
    await put(`/nodepool/nodes/${id}`, {
      ...{ state, state_time: now - 100_000 * index, created_time: now, type: ['small', 'big'].slice(index % 2) },
      ...{ provider: 'absent', pool: 'main', launcher: 'x-PoolWorker.absent-main-0', external_id: `vm-${index}` },
      ...{ hostname: `host-${index}`, az: 'az1', region: 'r', public_ipv4: '192.0.2.1', private_ipv4: '10.0.0.1' },
      ...{ public_ipv6: '2001:db8::1', connection_port: 22, username: 'zuul', connection_type: 'ssh' },
      // What is allocated to a request that exists is left alone.
      ...{ allocated_to: `100-000000000${index % 4}`, hold_job: state === 'hold' ? 'job' : null, hold_expiration: 0 },
      ...{ comment: 'with "quotes" and ümlaut', user_data: '{"zuul": 1}', host_keys: ['ssh-ed25519 AAAA'] },
    });
    if (index % 3 === 0) {
      await client.ensurePath(`/nodepool/nodes/${id}/lock`);
      await client.create(`/nodepool/nodes/${id}/lock/0123__lock__`, Buffer.alloc(0), { mode: 'ephemeral-sequential' });
    }
  }
  const odd = {
    state: 'in-use',
    state_time: now,
    created_time: now,
    provider: 'absent',
    allocated_to: '100-0000000000',
  };
  await put('/nodepool/nodes/0000000100', { ...odd, type: ['k8s'], connection_port: { token: 'hidden' } });
  await put('/nodepool/nodes/0000000101', { ...odd, type: ['w'], connection_port: '5986', driver_data: { slot: 1 } });
  await put('/nodepool/nodes/0000000102', { ...odd, type: [], external_id: { vm: "o'x", up: true, disk: null } });
  for (const [index, state] of ['requested', 'pending', 'fulfilled', 'failed'].entries()) {
    await put(`/nodepool/requests/100-000000000${index}`, {
      ...{ state, state_time: now, created_time: now, node_types: ['small', 'big'], nodes: [], reuse: true },
      ...{ requestor: `zuul-${index}`, requestor_data: { a: 1 }, relative_priority: index, event_id: `e${index}` },
      ...{ declined_by: index === 3 ? ['x-PoolWorker.a-main-0', 'x-PoolWorker.b-main-0'] : [], tenant_name: 't' },
    });
    // Whose lock is held is in the hands of a living launcher.
    const lock = `/nodepool/requests-lock/100-000000000${index}`;
    await client.ensurePath(lock);
    await client.create(`${lock}/0123__lock__`, Buffer.alloc(0), { mode: 'ephemeral-sequential' });
  }
  const images = '/nodepool/images';
  // The Python launcher's cache knows images with a document only.
  await put(`${images}/image-0`, {});
  for (const [index, state] of ['building', 'ready', 'deleting', 'failed'].entries()) {
    const build = `${images}/image-${index % 2}/builds/${state}`;
    const formats = index === 0 ? {} : { formats: 'vhd,qcow2' };
    const times = { state_time: now - 1000 * index + 0.7, builder: 'b', builder_id: '1' };
    await put(build, { state, ...times, ...formats, username: 'zuul', python_path: 'auto', shell_type: null });
    for (const [number, of] of ['uploading', 'ready', 'deleting', 'failed'].entries()) {
      const names = of === 'uploading' ? {} : { external_id: `id-${number}`, external_name: 'name' };
      const upload = { state: of, state_time: now - number + 0.2, ...names, format: 'qcow2', username: 'zuul' };
      await put(`${build}/providers/absent/images/000000000${number}`, upload);
    }
  }
  await client.ensurePath(`${images}/image-1/request-build`);
  await client.ensurePath(`${images}/image-2/builds/lock`);
  await client.ensurePath(`${images}/image-2/request-build`);
  await put(`${images}/image-2/builds/lock/0123__lock__0000000000`, {}, true);
  await put(`${images}/image-2/builds/newest`, { state: 'building', state_time: now, builder: 'b', formats: '' });
  for (const [index, pool] of ['one', 'two'].entries()) {
    const path = `/nodepool/components/pool/elsewhere000000000${index}`;
    const known = { hostname: 'elsewhere', kind: 'pool', model_api: 0, state: 'running', version: '11.0.0' };
    const labels = ['small', index === 0 ? 'big' : 'huge'];
    const own = { id: `x-${index}`, name: pool, paused: false, priority: 100, provider_name: 'absent' };
    await put(path, { ...known, ...own, supported_labels: labels }, true);
  }
}

async function both(path: string, options: Parameters<typeof ask>[2] = {}): Promise<readonly [Answer, Answer]> {
  return Promise.all([ask(ports.ours, path, options), ask(ports.python, path, options)]);
}

/** Rows in the order of their text, ages as far as they cannot have changed in between. */
function comparable(body: string): string[] {
  const lines = body.replace(/\d\d:\d\d:\d\d:\d\d/g, 'dd:hh:mm:ss').split('\n');
  return [...lines.slice(0, 3), ...lines.slice(3).sort()];
}

const tables = ['/node-list', '/request-list', '/label-list', '/image-list', '/dib-image-list', '/image-status'];

test.each([
  ...tables,
  '/node-list?node_id=0000000004',
  '/node-list?node_id=0000009999',
  '/node-list?node_id=',
  '/node-list?fields=state,id',
  '/node-list?fields=id,bogus,label,server_id,driver_data',
  '/request-list?fields=node_types,id',
])('%s is the same table and the same document', async (path) => {
  const [ours, python] = await both(path);
  expect(ours.status).toBe(200);
  expect(comparable(ours.body)).toEqual(comparable(python.body));
  const accept = 'application/json';
  const [ourJson, pythonJson] = await both(path, { accept });
  const rows = (body: string) => {
    const aged = body.replace(/"age": "[\d:]+"/g, '"age": "dd:hh:mm:ss"');
    return aged
      .slice(1, -1)
      .split(/(?<=\}), (?=\{"(?:id|label|image)")/)
      .sort();
  };
  expect(rows(ourJson.body)).toEqual(rows(pythonJson.body));
  for (const [our, their] of [
    [ours, python],
    [ourJson, pythonJson],
  ] as const) {
    expect(our.headers['content-type']).toBe(their.headers['content-type']);
    expect(our.headers['cache-control']!.split(', ').sort()).toEqual(
      their.headers['cache-control']!.split(', ').sort(),
    );
    expect(our.headers['access-control-allow-origin']).toBe(their.headers['access-control-allow-origin']);
    const lifeMs = ({ headers }: Answer) => Date.parse(headers.expires!) - Date.parse(headers['last-modified']!);
    expect(lifeMs(our)).toBe(lifeMs(their));
  }
});

test('a single node is locked when it is, which the Python page does not notice', async () => {
  const path = '/node-list?node_id=0000000003';
  const [ours, python] = await both(path, { accept: 'application/json' });
  expect(ours.body).toContain('"locked": "locked"');
  expect(python.body).toContain('"locked": "unlocked"');
});

test('the tree was full enough to tell something', async () => {
  const [{ body }] = await both('/node-list', { accept: 'application/json' });
  const nodes = JSON.parse(body) as { state: string; locked: string; connection_port: unknown }[];
  expect(nodes).toHaveLength(nodeStates.length + 3);
  expect(new Set(nodes.map((node) => node.state))).toEqual(new Set(nodeStates));
  expect(new Set(nodes.map((node) => node.locked))).toEqual(new Set(['locked', 'unlocked']));
  expect(new Set(nodes.map((node) => node.connection_port))).toEqual(new Set([22, '5986', 'redacted']));
  expect(body).not.toContain('hidden');
});

test.each([
  undefined,
  '*/*',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'application/json, text/plain, */*',
  'application/json;q=0.9, text/plain;q=0.3',
  'text/html;q=0.5, application/*',
  'text/html;q=0, text/plain;q=0, */*',
  'text/html;level=1, application/json;q=0.1',
  'image/png',
  'nonsense',
])('Accept: %s is understood alike', async (accept) => {
  const [ours, python] = await both('/label-list', accept === undefined ? {} : { accept });
  expect([ours.status, ours.headers['content-type']?.toLowerCase()]).toEqual([
    python.status,
    python.headers['content-type']?.toLowerCase(),
  ]);
});

test.each(['/', '/node-list/', '/nothing', '/node-list/x'])('%s is not there', async (path) => {
  for (const accept of ['text/plain', 'application/json']) {
    const [ours, python] = await both(path, { accept });
    expect([ours.status, python.status]).toEqual([404, 404]);
    expect(ours.headers['access-control-allow-origin']).toBe(python.headers['access-control-allow-origin']);
    if (accept === 'text/plain') {
      expect(ours.body.split('\n')[0]).toBe(python.body.split('\n')[0]);
      continue;
    }
    const keys = ({ body }: Answer) => Object.keys(JSON.parse(body) as object).sort();
    expect(keys(ours)).toEqual(keys(python));
  }
});

test('what has not changed is not sent again', async () => {
  const later = { 'if-modified-since': new Date(Date.now() + 60_000).toUTCString() };
  const earlier = { 'if-modified-since': new Date(0).toUTCString() };
  const [ours, python] = await both('/label-list', { headers: later });
  expect([ours.status, ours.body]).toEqual([python.status, python.body]);
  expect(ours.status).toBe(304);
  const [again, theirs] = await both('/label-list', { headers: earlier });
  expect([again.status, theirs.status]).toEqual([200, 200]);
});

test('HEAD and readiness', async () => {
  const [ours, python] = await both('/ready');
  expect([ours.status, ours.body, ours.headers['content-type']]).toEqual([
    python.status,
    python.body,
    python.headers['content-type'],
  ]);
  const [ourHead, theirHead] = await both('/label-list', { method: 'HEAD' });
  expect([ourHead.status, ourHead.body, ourHead.headers['content-length']]).toEqual([
    theirHead.status,
    theirHead.body,
    theirHead.headers['content-length'],
  ]);
});
