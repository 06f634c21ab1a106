/** What others put into the tree, and hosts that are none: each is said once and clearly, everything else goes on. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, fakeProvider } from './testing/cluster.ts';

const patience = { timeout: 20_000, interval: 5 };
let cluster: Cluster;
const servers: Server[] = [];
const sockets = new Set<Socket>();

beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(async () => {
  await cluster.stop();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

const fake = `
labels: [{name: small}, {name: host}]
providers: ${fakeProvider(
  'cloud',
  '[{name: main, max-servers: 3, host-key-checking: false, labels: [{name: small, cloud-image: image, min-ram: 1024}]}]',
)}`;

async function serve(label: string): Promise<void> {
  const id = await cluster.submit({ nodeTypes: [label] });
  await cluster.untilState(id, 'fulfilled');
}

const said = (...parts: string[]) =>
  cluster.logged.some((line) => {
    const text = `${line.message} ${JSON.stringify(line.fields)}`;
    return parts.every((part) => text.includes(part));
  });

const broken = [
  ['broken JSON', '{"state": "ready", ', 'json'],
  ['a list instead of an object', '[1, 2]', 'object'],
  ['an unknown state', '{"state": "sleeping", "type": ["small"], "node_types": ["small"]}', 'unknown-state'],
  ['no state', '{"type": ["small"], "node_types": ["small"], "provider": "cloud"}', 'unknown-state'],
  ['no text', '\u0000\u0001', 'json'],
] as const;

test.each(broken)('nodes and requests with %s are said and left alone', async (_what, text) => {
  await cluster.createRaw('/nodepool/nodes/', text);
  await cluster.createRaw('/nodepool/requests/100-', text);
  await cluster.launch(fake);
  await serve('small');
  await cluster.createRaw('/nodepool/nodes/', text);
  await cluster.createRaw('/nodepool/requests/100-', text);
  await serve('small');
  await serve('small');
  expect(said('/nodepool/nodes/0000000000', 'cannot be read')).toBe(true);
  expect(said('/nodepool/requests/100-0000000000', 'cannot be read')).toBe(true);
  const { client } = cluster.seen;
  expect((await client.get('/nodepool/nodes/0000000000')).data.toString()).toBe(text);
  expect((await client.get('/nodepool/requests/100-0000000000')).data.toString()).toBe(text);
});

test('empty data: a request is left to its owner, a node that stays empty is removed', async () => {
  await cluster.createRaw('/nodepool/nodes/', '');
  await cluster.createRaw('/nodepool/requests/100-', '');
  await cluster.launch(fake);
  await serve('small');
  expect(said('/nodepool/requests/100-0000000000', 'empty')).toBe(true);
  await expect.poll(() => cluster.seen.nodes.get('0000000000'), patience).toBeUndefined();
  expect(cluster.seen.requests.get('100-0000000000')).toBeDefined();
});

test('odd values in good documents: a request that asks for nothing sensible ends, its neighbours are served', async () => {
  await cluster.createRaw(
    '/nodepool/nodes/',
    '{"state": "ready", "type": 7, "provider": {"a": 1}, "resources": "many"}',
  );
  await cluster.launch(fake);
  const odd = await cluster.submit({ nodeTypes: ['no such label'] });
  await serve('small');
  await cluster.untilState(odd, 'failed');
  expect(cluster.seen.nodes.get('0000000000')).toBeDefined();
});

function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  servers.push(server);
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
}

test('hosts that do not answer, close at once, or are no SSH server: each is named with its reason, the others serve', async () => {
  const silent = await listen(() => undefined);
  const closing = await listen((socket) => socket.destroy());
  const web = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const nobody = await listen(() => undefined);
  await new Promise((resolve) => servers.pop()!.close(resolve));
  const host = (port: number) => `{name: 127.0.0.1, connection-port: ${port}, timeout: 1, labels: [host]}`;
  await cluster.launch(`${fake}
  - name: rack
    driver: static
    pools: [{name: main, nodes: [${[silent, closing, web, nobody].map(host).join(', ')}, {name: fake-good, labels: [host]}]}]
`);
  await serve('host');
  await serve('small');
  const problem = (port: number) => () =>
    cluster.logged
      .filter((line) => (line.fields as { port?: number }).port === port)
      .map((line) => (line.fields as { problem?: string }).problem)
      .join();
  await expect.poll(problem(silent), patience).toMatch(/within|time|answer/i);
  await expect.poll(problem(closing), patience).toMatch(/clos/i);
  await expect.poll(problem(web), patience).toMatch(/SSH/i);
  await expect.poll(problem(nobody), patience).toMatch(/refused|nothing listens/i);
});
