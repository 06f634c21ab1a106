/** The status site on a real port: what a browser, a script, a monitoring system and somebody with bad manners get. */
import { createConnection, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../base/runtime.ts';
import { deleteTree } from '../store/transactions/tree.ts';
import { tryLock } from '@nodepool/zookeeper';
import { ApiServer } from './http/server.ts';
import { ask } from './testing/http-client.ts';
import { StatusSiteFixture } from './testing/status-site-fixture.ts';

let test: StatusSiteFixture;
beforeEach(async () => {
  test = await StatusSiteFixture.open();
});
afterEach(() => test.close());

describe('a status page', () => {
  it('is a table for browsers and whoever has no wishes, JSON for those who want that', async () => {
    const id = await test.node({ state: 'ready', provider: 'cloud', labels: ['small', 'big'], userData: 'ä' });
    const table = await test.get('/node-list?fields=state,id,bogus');
    expect(table.body).toBe(
      ['+------------+-------+', '| ID         | State |', '+------------+-------+', `| ${id} | ready |`]
        .concat('+------------+-------+')
        .join('\n'),
    );
    expect(table.headers).toMatchObject({
      'content-type': 'text/plain; charset=UTF-8',
      'access-control-allow-origin': '*',
      'cache-control': 'max-age=1, public',
      'content-length': String(table.body.length),
    });
    expect(Date.parse(table.headers.expires!) - Date.parse(table.headers['last-modified']!)).toBe(1000);
    const json = await test.get('/node-list?fields=id', { accept: 'application/json' });
    expect(json.headers['content-type']).toBe('application/json');
    expect(json.body).toMatch(
      new RegExp(
        `^\\[\\{"id": "${id}", "provider": "cloud", "label": \\["small", "big"\\], "server_id": null, .*"user_data": "\\\\u00e4", "driver_data": null\\}\\]$`,
      ),
    );
  });

  it('shows one node when asked for it, and none when there is no such node', async () => {
    await test.node({ state: 'ready' });
    const second = await test.node({ state: 'hold', comment: 'kept' });
    expect(await test.json(`/node-list?node_id=${second}`)).toMatchObject([{ id: second, comment: 'kept' }]);
    expect(await test.json('/node-list?node_id=0000009999')).toEqual([]);
  });

  it('shows no credentials, and who holds a node', async () => {
    const id = await test.node({ state: 'in-use', connectionPort: { token: 'hidden' } });
    const path = `/nodepool/nodes/${id}/lock`;
    await tryLock({ client: test.bed.zk, runtime: systemRuntime, path, createParents: true });
    await expect.poll(() => test.side.store.nodes.get(id)?.locked).toBe(true);
    const { body } = await test.get('/node-list');
    expect(body).not.toContain('hidden');
    expect(body).toMatch(/ in-use .* locked .* redacted /);
  });

  it('lists requests, and labels of all registered pools', async () => {
    await test.side.operations.createRequest({ nodeTypes: ['a', 'b'], requestor: 'me', eventId: 'e1' }, '100', {
      ephemeral: false,
    });
    await expect.poll(async () => ((await test.json('/request-list')) as unknown[]).length, { timeout: 5000 }).toBe(1);
    expect(await test.json('/request-list')).toEqual([
      {
        id: '100-0000000000',
        relative_priority: 0,
        state: 'requested',
        requestor: 'me',
        node_types: ['a', 'b'],
        nodes: [],
        declined_by: [],
        event_id: 'e1',
      },
    ]);
    expect((await test.get('/label-list')).body.split('\n')).toEqual([
      '+-------+',
      '| Label |',
      '+-------+',
      '+-------+',
    ]);
  });

  it('is made once a second, and need not be sent again to who has it', async () => {
    const [first, second] = await Promise.all([test.get('/node-list'), test.get('/node-list?junk=1')]);
    await test.node({ state: 'ready' });
    expect(second.headers['last-modified']).toBe(first.headers['last-modified']);
    await expect.poll(async () => (await test.get('/node-list')).body, { timeout: 5000 }).toContain('ready');
    const again = await test.get('/node-list', {
      headers: { 'if-modified-since': new Date(systemRuntime.nowMs() + 5000).toUTCString() },
    });
    expect(again).toMatchObject({ status: 304, body: '' });
    const old = await test.get('/node-list', { headers: { 'if-modified-since': new Date(0).toUTCString() } });
    expect(old.status).toBe(200);
  });

  it('of ten thousand nodes does not keep everything else waiting', { timeout: 120_000 }, async () => {
    const { store } = test.side;
    const document = (index: number) => ({
      type: 'create' as const,
      path: `/nodepool/nodes/${String(index).padStart(10, '0')}`,
      data: Buffer.from(
        JSON.stringify({ state: 'ready', type: ['label'], provider: 'cloud', user_data: 'x'.repeat(200) }),
      ),
    });
    for (let start = 0; start < 10_000; start += 500) {
      await test.bed.zk.multi(Array.from({ length: 500 }, (_, index) => document(start + index)));
    }
    await expect.poll(() => [...store.nodes.all()].filter(({ node }) => node).length, { timeout: 60_000 }).toBe(10_000);
    let turns = 0;
    let done = false;
    const count = () => {
      turns++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const rows = (await test.json('/node-list')) as unknown[];
    done = true;
    expect(rows).toHaveLength(10_000);
    // One for each slice of the page, at least.
    expect(turns).toBeGreaterThan(49);
    expect((await test.get('/node-list')).body.split('\n')).toHaveLength(10_004);
  });
});

describe('what else is asked for', () => {
  it('gets 404 in words or as JSON, with nothing of what it sent', async () => {
    const path = '/node-list/<script>?x=<b>';
    const text = await test.get(path);
    expect(text).toMatchObject({ status: 404, body: '404 Not Found\n\nThe resource could not be found.\n' });
    expect(text.headers['access-control-allow-origin']).toBeUndefined();
    const json = await test.get('/', { accept: 'application/json' });
    expect(JSON.parse(json.body)).toEqual({
      message: 'The resource could not be found.',
      code: '404 Not Found',
      title: 'Not Found',
    });
  });

  it('may only look, briefly', async () => {
    expect(await test.get('/node-list', { method: 'POST' })).toMatchObject({ status: 405 });
    const head = await test.get('/node-list', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '' });
    expect(Number(head.headers['content-length'])).toBeGreaterThan(100);
    expect((await test.get(`/node-list?fields=${'x'.repeat(3000)}`)).status).toBe(414);
    expect((await test.get('/node-list', { headers: { 'x-long': 'x'.repeat(20_000) } })).status).toBe(431);
    expect(await test.get('/node-list', { accept: 'image/png' })).toMatchObject({
      status: 500,
      body: 'Internal Server Error',
    });
  });

  it('hears whether the launcher is ready, and how it is', async () => {
    test.health = { ...test.health, ready: false };
    expect((await test.get('/ready')).status).toBe(503);
    test.health = { ...test.health, ready: true };
    expect(await test.get('/ready')).toMatchObject({ status: 200, body: 'OK' });
    expect(await test.get('/health')).toMatchObject({ status: 200, body: 'ok' });
    const trouble = { severity: 'warning', what: 'w', why: 'y', hint: 'h', since: 0 } as const;
    test.health = { ...test.health, troubles: [trouble] };
    expect(await test.json('/health')).toEqual({
      status: 'degraded',
      ready: true,
      session: 'connected',
      synced: true,
      troubles: [{ ...trouble, since: '1970-01-01T00:00:00.000Z' }],
    });
  });
});

describe('the event stream', () => {
  it('tells every change of requests and nodes, and no secrets', async () => {
    const stream = listen('/events');
    await expect.poll(stream.text, { timeout: 5000 }).toContain('event: hello');
    const id = await test.node({
      state: 'building',
      provider: 'cloud',
      labels: ['a'],
      connectionPort: { token: 'no' },
    });
    await test.bed.zk.set(`/nodepool/nodes/${id}`, Buffer.from('{"state": "ready", "type": ["a"]}'));
    await expect.poll(() => stream.text().includes('"ready"'), { timeout: 5000 }).toBe(true);
    await test.bed.zk.delete(`/nodepool/nodes/${id}`);
    await test.side.operations.createRequest({ nodeTypes: ['a'] }, '100', { ephemeral: false });
    await expect.poll(stream.text, { timeout: 5000 }).toContain('request-created');
    await expect.poll(stream.text, { timeout: 5000 }).toContain('node-removed');
    const events = stream.text().split('\n\n');
    expect(events.filter((event) => event.includes('event: node-')).map((event) => event.split('\n').slice(1))).toEqual(
      [
        [
          'event: node-created',
          `data: {"id":"${id}","state":"building","provider":"cloud","pool":null,"label":["a"],"allocated_to":null,"locked":false}`,
        ],
        [
          'event: node-changed',
          `data: {"id":"${id}","state":"ready","provider":null,"pool":null,"label":["a"],"allocated_to":null,"locked":false}`,
        ],
        ['event: node-removed', `data: {"id":"${id}","state":null}`],
      ],
    );
    stream.end();
    await expect
      .poll(async () => (await test.get('/metrics')).body, { timeout: 5000 })
      .toContain('nodepool_event_stream_clients 0');
  });

  it('tells changes of images, builds and uploads from the hello on, and watches only while somebody listens', async () => {
    const { zk } = test.bed;
    const build = '/nodepool/images/debian/builds/0123';
    const uploads = `${build}/providers/cloud/images`;
    const json = (value: object) => Buffer.from(JSON.stringify(value));
    await zk.ensurePath(uploads);
    await zk.set(build, json({ state: 'building', state_time: 1, builder: 'b1' }));
    const streams = [listen('/events'), listen('/events')];
    for (const stream of streams) await expect.poll(stream.text, { timeout: 5000 }).toContain('event: hello');

    await zk.set(build, json({ state: 'ready', state_time: 2, builder: 'b1', formats: 'raw,qcow2' }));
    const uploaded = json({ state: 'uploading', state_time: 3, external_id: null });
    const { path } = await zk.create(`${uploads}/`, uploaded, { mode: 'persistent-sequential' });
    await expect.poll(streams[0]!.text, { timeout: 5000 }).toContain('image-upload-created');
    // Nothing that is shown has changed, or nothing that can be shown is there.
    await zk.set(path, json({ state: 'uploading', state_time: 4 }));
    await zk.ensurePath(`${uploads}/lock/0123__lock__0000000000`);
    await zk.ensurePath('/nodepool/images/debian/builds/lock');
    await zk.set(path, json({ state: 'ready', state_time: 5, external_id: 'e1', external_name: 'n1' }));
    await expect.poll(streams[0]!.text, { timeout: 5000 }).toContain('image-upload-changed');
    await zk.delete(path);
    await zk.ensurePath('/nodepool/images/debian/pause');
    await zk.ensurePath('/nodepool/images/debian/request-build');
    await zk.delete('/nodepool/images/debian/pause');
    await deleteTree(zk, build);
    for (const stream of streams) {
      await expect.poll(stream.text, { timeout: 5000 }).toContain('image-build-removed');
      await expect.poll(() => stream.text().includes('"paused":false,"build_requested":true')).toBe(true);
    }
    const upload = '"id":"0000000000","image":"debian","build_id":"0123","provider":"cloud"';
    const built = '"id":"debian-0123","image":"debian","build_id":"0123"';
    const events = streams[0]!
      .text()
      .split('\n\n')
      .filter((event) => event.includes('event: image'));
    const seen = events.map((event) =>
      event.split('\n').slice(1).join(' ').replace('event: ', '').replace('data: ', ''),
    );
    expect(seen.filter((event) => event.startsWith('image-upload'))).toEqual([
      `image-upload-created {${upload},"state":"uploading","external_name":null,"external_id":null}`,
      `image-upload-changed {${upload},"state":"ready","external_name":"n1","external_id":"e1"}`,
      `image-upload-removed {${upload},"state":null}`,
    ]);
    expect(seen.filter((event) => event.startsWith('image-build'))).toEqual([
      `image-build-changed {${built},"state":"ready","builder":"b1","formats":["qcow2","raw"]}`,
      `image-build-removed {${built},"state":null}`,
    ]);
    expect(seen.filter((event) => event.startsWith('image-changed'))).toEqual([
      'image-changed {"id":"debian","paused":true,"build_requested":false}',
      'image-changed {"id":"debian","paused":true,"build_requested":true}',
      'image-changed {"id":"debian","paused":false,"build_requested":true}',
    ]);

    // Nobody listens any more: of builds nothing is read, only what the launcher itself wants to know.
    for (const stream of streams) stream.end();
    await expect
      .poll(async () => (await test.get('/metrics')).body, { timeout: 5000 })
      .toContain('nodepool_event_stream_clients 0');
    const { real, store } = test.side;
    const reads = [vi.spyOn(real, 'get'), vi.spyOn(real, 'multiRead'), vi.spyOn(real, 'exists')];
    await zk.ensurePath(uploads);
    await zk.set(build, json({ state: 'building', state_time: 6 }));
    await zk.create(`${uploads}/`, json({ state: 'ready', state_time: 7 }), { mode: 'persistent-sequential' });
    await expect.poll(() => store.images.mostRecentUpload('cloud', 'debian'), { timeout: 5000 }).toBeDefined();
    const asked = reads.flatMap(({ mock }) => mock.calls.flatMap((call) => JSON.stringify(call[0])));
    expect(asked.filter((one) => one.includes(`${uploads}/`))).toHaveLength(1);
    expect(asked.filter((one) => one.includes(`"${build}"`))).toEqual([]);
  });

  it('drops who does not read, and no one else', { timeout: 60_000 }, async () => {
    const reader = listen('/events');
    const sleeper = createConnection(test.site.port!, '127.0.0.1');
    sleeper.pause();
    sleeper.on('error', () => undefined);
    sleeper.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    const clients = async () => /nodepool_event_stream_clients (\d+)/.exec((await test.get('/metrics')).body)?.[1];
    await expect.poll(clients, { timeout: 10_000 }).toBe('2');
    const id = await test.node({ state: 'building' });
    const long = 'l'.repeat(100_000);
    for (let round = 0; (await clients()) === '2' && round < 1000; round++) {
      const document = { state: 'ready', type: [`${long}${round}`] };
      await test.bed.zk.set(`/nodepool/nodes/${id}`, Buffer.from(JSON.stringify(document)));
    }
    expect(await clients()).toBe('1');
    expect((await test.get('/metrics')).body).toContain('nodepool_event_stream_dropped_total 1');
    await test.bed.zk.delete(`/nodepool/nodes/${id}`);
    await expect.poll(() => reader.text().includes('node-removed'), { timeout: 20_000 }).toBe(true);
    sleeper.destroy();
    reader.end();
  });
});

it('waits for a port that is taken, and says so', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const warn = vi.fn();
  // Five seconds pass at once.
  const runtime = {
    ...systemRuntime,
    setBackgroundTimer: (_delayMs: number, run: () => void) => systemRuntime.setTimer(10, run),
  };
  const log = { debug() {}, info() {}, warn, error() {} };
  const server = new ApiServer({ routes: new Map(), runtime, log }, { host: '127.0.0.1', port });
  server.start();
  await expect.poll(() => [...server.troubles()].length).toBe(1);
  expect([...server.troubles()][0]!.why).toBe(`port ${port} of 127.0.0.1 is taken by another program`);
  await new Promise((resolve) => other.close(resolve));
  await expect.poll(() => server.port).toBe(port);
  expect([...server.troubles()]).toEqual([]);
  expect(warn).toHaveBeenCalledTimes(1);
  expect((await ask(port, '/')).status).toBe(404);
  await server.close();
});

function listen(path: string) {
  const socket = createConnection(test.site.port!, '127.0.0.1');
  const parts: Buffer[] = [];
  socket.on('data', (chunk) => parts.push(chunk));
  socket.on('error', () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return {
    // Without the lengths of the chunks in between.
    text: () =>
      Buffer.concat(parts)
        .toString()
        .replace(/\r\n[0-9a-f]+\r\n/g, ''),
    end: () => socket.destroy(),
  };
}
