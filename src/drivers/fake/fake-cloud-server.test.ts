import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemRuntime } from '../../base/runtime.ts';
import { type FakeCloudServer, startFakeCloudServer } from './fake-cloud-server.ts';
import { RemoteCloud } from './remote-cloud.ts';

const never = new AbortController().signal;
let server: FakeCloudServer;
let base: string;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  base = `http://127.0.0.1:${server.port}`;
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await server.close();
});

function client(account: string, address = base): RemoteCloud {
  const remote = new RemoteCloud(address, account);
  closers.push(() => remote.close());
  return remote;
}

const spec = (token: string) => ({
  name: 'n',
  metadata: { a: 'b' },
  securityGroups: [],
  zone: 'az1',
  resources: { instances: 1 },
  token,
});
const ask = (method: string, path: string, body?: string) =>
  fetch(base + path, { method, ...(body === undefined ? {} : { body }) });

test('accounts are apart, and can be forgotten', async () => {
  const one = client('one');
  const other = client('other account/with signs');
  await one.create(spec('t'), never);
  expect((await one.list(never)).length).toBe(1);
  expect(await other.list(never)).toEqual([]);
  expect(await (await ask('GET', '/accounts')).json()).toEqual(['one', 'other account/with signs']);
  expect(await (await ask('GET', '/accounts/one/stats')).json()).toEqual({
    created: 1,
    deleted: 0,
    refused: 0,
    servers: 1,
  });
  await ask('DELETE', '/accounts/one');
  expect(await one.list(never)).toEqual([]);
});

test('one token is one server while that lives', async () => {
  const cloud = client('one');
  const first = await cloud.create(spec('t'), never);
  expect((await cloud.create(spec('t'), never)).id).toBe(first.id);
  await cloud.delete(first.id, never);
  expect((await cloud.create(spec('t'), never)).id).not.toBe(first.id);
});

test('settings hold for one account and leave the rest as it was', async () => {
  await ask(
    'PUT',
    '/accounts/one/settings',
    JSON.stringify({
      quota: { instances: 3 },
      zones: ['z'],
      images: ['img', { name: 'marked', metadata: { nodepool_build_id: 'b' } }],
      bootDelayMs: 5,
      capacity: 2,
    }),
  );
  await ask('PUT', '/accounts/one/settings', JSON.stringify({ capacity: null, faults: { createFailures: 1 } }));
  const cloud = client('one');
  expect(await cloud.quota(never)).toEqual({ instances: 3 });
  expect(await cloud.zones(never)).toEqual(['z']);
  expect(await cloud.images(never)).toEqual([
    { id: 'fake-image-id', name: 'Fake Precise', metadata: {} },
    { id: expect.any(String), name: 'img', metadata: {} },
    { id: expect.any(String), name: 'marked', metadata: { nodepool_build_id: 'b' } },
  ]);
  await expect(cloud.create({ ...spec('t'), zone: 'z' }, never)).rejects.toMatchObject({ code: 'unknown' });
  for (const token of ['1', '2', '3']) await cloud.create({ ...spec(token), zone: 'z' }, never);
  await expect(cloud.create({ ...spec('4'), zone: 'z' }, never)).rejects.toMatchObject({ code: 'quota' });
  expect(await client('two').quota(never)).toEqual({});
});

test.each([
  ['GET', '/', undefined, 404],
  ['GET', '/accounts/a/nothing', undefined, 404],
  ['GET', '/accounts/a/servers/x/y', undefined, 404],
  ['PATCH', '/accounts/a/servers', '{}', 404],
  ['GET', '/accounts/%E0%A4%A/servers', undefined, 400],
  ['POST', '/accounts/a/servers', '{', 400],
  ['POST', '/accounts/a/servers', '{"name": 7}', 400],
  ['POST', '/accounts/a/servers', JSON.stringify({ ...spec('t'), resources: { cores: -1 } }), 400],
  ['POST', '/accounts/a/servers', JSON.stringify({ ...spec('t'), more: 1 }), 400],
  ['PUT', '/accounts/a/faults', '{"createFailures": "many"}', 400],
  ['PUT', '/accounts/a/settings', '{"unknown": 1}', 400],
  ['PUT', '/accounts/a/settings', 'x'.repeat(2_000_000), 413],
  ['DELETE', '/accounts/a/servers/none', undefined, 404],
])('%s %s answers in words', async (method, path, body, status) => {
  const answer = await ask(method, path, body);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { message: expect.any(String) } });
  expect(await client('a').list(never)).toEqual([]);
});

test('a connection that sends rubbish or leaves in the middle harms nobody', async () => {
  for (const rubbish of [
    '\0\0\0\0\r\n\r\n',
    'POST /accounts/a/servers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{',
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(rubbish, () => socket.destroy()));
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
  }
  expect(await client('a').list(never)).toEqual([]);
});

test('a cloud that is not there, and answers that are none', async () => {
  const lost = client('a');
  await server.close();
  await expect(lost.list(never)).rejects.toMatchObject({ code: 'network' });
  const answers = ['no json', '{"id": 7}', '"text"'];
  const odd = createServer((_request, response) => response.end(answers.shift()));
  await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => odd.close(resolve)));
  const cloud = client('a', `http://127.0.0.1:${(odd.address() as { port: number }).port}`);
  await expect(cloud.list(never)).rejects.toMatchObject({ code: 'network' });
  await expect(cloud.create(spec('t'), never)).rejects.toMatchObject({ code: 'unknown' });
  await expect(cloud.look('x', never)).rejects.toMatchObject({ code: 'unknown' });
});

test('a port in use is an error of the start', async () => {
  await expect(startFakeCloudServer({ port: server.port, runtime: systemRuntime })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});

test('slow answers, lost answers, called off', async () => {
  const cloud = client('a');
  const faults = (o: object) => ask('PUT', '/accounts/a/faults', JSON.stringify(o));
  await faults({ slowMs: 300 });
  const before = performance.now();
  await cloud.list(never);
  expect(performance.now() - before).toBeGreaterThan(290);
  await expect(cloud.list(AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
  await faults({ slowMs: 0, loseDeleteAnswers: 1 });
  const { id } = await cloud.create(spec('t'), never);
  await expect(cloud.delete(id, never)).rejects.toMatchObject({ code: expect.stringMatching(/network|not-found/) });
  expect(await cloud.list(never)).toEqual([]);
});
