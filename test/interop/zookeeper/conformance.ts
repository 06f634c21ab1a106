/** What the client and any ZooKeeper server must do together; run against each server that we support. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../../src/base/runtime.ts';
import {
  BadVersionError,
  createZooKeeper,
  DeadlineExceededError,
  lock,
  MultiError,
  NoAuthError,
  NoChildrenForEphemeralsError,
  NodeExistsError,
  NoNodeError,
  NotEmptyError,
  type ServerAddress,
  SessionExpiredError,
  type TlsOptions,
  tryLock,
  type WatchEvent,
  type ZooKeeper,
  type ZooKeeperOptions,
} from '@nodepool/zookeeper';
import { FaultProxy } from '@nodepool/zookeeper/internal/testing/fault-proxy';
import { mirroredData } from '@nodepool/zookeeper/internal/testing/mirrored-data';

export interface ServerUnderTest {
  readonly servers: readonly ServerAddress[];
  readonly tls?: TlsOptions;
  close(): Promise<void>;
}

const bytes = (text: string) => Buffer.from(text);
const until = async (condition: () => boolean) => {
  await expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true);
};

export function conformance(name: string, start: () => Promise<ServerUnderTest>): void {
  describe(name, () => {
    let server: ServerUnderTest;
    let round = 0;
    const open: ZooKeeper[] = [];
    const proxies: FaultProxy[] = [];

    const connect = (more: Partial<ZooKeeperOptions> = {}) => {
      const tls = server.tls;
      const client = createZooKeeper({
        servers: server.servers,
        sessionTimeoutMs: 4000,
        ...(tls ? { tls: () => tls } : {}),
        ...more,
      });
      open.push(client);
      return client;
    };
    /** A client whose tree is its own. */
    const fresh = async () => {
      const chroot = `/conformance-${round++}`;
      await connect().ensurePath(chroot);
      return { chroot, zk: connect({ chroot }) };
    };
    /** The same through a proxy to one server. */
    const proxied = async (chroot: string) => {
      const proxy = await FaultProxy.open(server.servers[0]!);
      proxies.push(proxy);
      const tls = server.tls;
      const zk = connect({
        chroot,
        servers: [proxy.address],
        ...(tls ? { tls: () => ({ ...tls }) } : {}),
      });
      await zk.waitConnected({ timeoutMs: 20_000 });
      return { proxy, zk };
    };

    beforeAll(async () => {
      server = await start();
    });
    afterEach(async () => {
      for (const proxy of proxies) proxy.heal();
      await Promise.all(open.splice(0).map((client) => client.close()));
      await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
    });
    afterAll(() => server?.close());

    test('create, get, set, delete with their errors', async () => {
      const { zk } = await fresh();
      const made = await zk.create('/a', bytes('one'));
      expect(made).toMatchObject({ path: '/a', stat: { version: 0, dataLength: 3, ephemeralOwner: 0n } });
      await expect(zk.create('/a', bytes(''))).rejects.toBeInstanceOf(NodeExistsError);
      await expect(zk.create('/x/y', bytes(''))).rejects.toBeInstanceOf(NoNodeError);
      expect(await zk.get('/a')).toEqual({ data: bytes('one'), stat: made.stat });
      const set = await zk.set('/a', bytes('four'), 0);
      expect(set).toMatchObject({ version: 1, dataLength: 4, czxid: made.stat.czxid });
      expect(set.mzxid).toBeGreaterThan(made.stat.mzxid);
      await expect(zk.set('/a', bytes(''), 0)).rejects.toBeInstanceOf(BadVersionError);
      await expect(zk.delete('/a', 0)).rejects.toBeInstanceOf(BadVersionError);
      await zk.create('/a/b', bytes(''));
      await expect(zk.delete('/a')).rejects.toBeInstanceOf(NotEmptyError);
      expect(await zk.children('/a')).toMatchObject({ children: ['b'], stat: { numChildren: 1, cversion: 1 } });
      await zk.sync('/a');
      await zk.delete('/a/b');
      await zk.delete('/a', 1);
      expect(await zk.exists('/a')).toBeNull();
      await expect(zk.get('/a')).rejects.toMatchObject({ code: 'no-node', path: '/a' });
    });

    test('sequence numbers grow and are not used twice', async () => {
      const { zk } = await fresh();
      const mode = 'persistent-sequential' as const;
      const made = await Promise.all(Array.from({ length: 20 }, () => zk.create('/s-', bytes(''), { mode })));
      expect(made.map((m) => m.path)).toEqual(made.map((_, i) => `/s-${String(i).padStart(10, '0')}`));
      await zk.delete(made[19]!.path);
      expect((await zk.create('/s-', bytes(''), { mode })).path).toBe('/s-0000000020');
    });

    test('ephemerals belong to a session and have no children', async () => {
      const { zk, chroot } = await fresh();
      const other = connect({ chroot });
      const { stat } = await other.create('/e', bytes(''), { mode: 'ephemeral' });
      expect(stat.ephemeralOwner).toBe(other.sessionId);
      await expect(other.create('/e/x', bytes(''))).rejects.toBeInstanceOf(NoChildrenForEphemeralsError);
      expect(await other.getEphemerals()).toEqual(['/e']);
      await zk.sync('/');
      const events: WatchEvent[] = [];
      expect(await zk.exists('/e', { watch: (e) => events.push(e) })).not.toBeNull();
      await other.close();
      await until(() => events.length > 0);
      expect(events).toEqual([{ type: 'deleted', path: '/e' }]);
      expect(await zk.exists('/e')).toBeNull();
    });

    test('containers and time to live', async () => {
      const { zk } = await fresh();
      await zk.create('/c', bytes(''), { mode: 'container' });
      await zk.create('/c/x', bytes(''));
      await zk.delete('/c/x');
      await zk.create('/t', bytes(''), { mode: 'persistent-ttl', ttlMs: 100 });
      const events: string[] = [];
      for (const path of ['/c', '/t']) {
        if (!(await zk.exists(path, { watch: () => events.push(path) }))) events.push(path);
      }
      await until(() => events.length === 2);
    });

    test('a multi happens as a whole or not at all', async () => {
      const { zk } = await fresh();
      const results = await zk.multi([
        { type: 'create', path: '/m', data: bytes('1') },
        { type: 'create', path: '/m/s-', data: bytes(''), mode: 'persistent-sequential' },
        { type: 'set', path: '/m', data: bytes('2'), version: 0 },
        { type: 'check', path: '/m', version: 1 },
      ]);
      expect(results.map((r) => r.type)).toEqual(['create', 'create', 'set', 'check']);
      expect(results[1]).toMatchObject({ path: '/m/s-0000000000' });
      const failed = await zk
        .multi([
          { type: 'set', path: '/m', data: bytes('3') },
          { type: 'delete', path: '/nothing' },
          { type: 'create', path: '/never', data: bytes('') },
        ])
        .catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(MultiError);
      expect(failed).toMatchObject({ index: 1, error: { code: 'no-node', path: '/nothing' } });
      expect((await zk.get('/m')).data.toString()).toBe('2');
      expect(await zk.exists('/never')).toBeNull();
    });

    test('multiRead gives each its value or its error', async () => {
      const { zk } = await fresh();
      await zk.create('/r', bytes('data'));
      const [data, children, missing] = await zk.multiRead([
        { type: 'get', path: '/r' },
        { type: 'children', path: '/' },
        { type: 'get', path: '/none' },
      ]);
      expect(data).toMatchObject({ data: bytes('data') });
      expect(children).toEqual({ children: ['r'] });
      expect(missing).toBeInstanceOf(NoNodeError);
    });

    test('access lists and credentials, sent amid other calls', async () => {
      const { zk, chroot } = await fresh();
      const other = connect({ chroot });
      const reads = Array.from({ length: 200 }, () => zk.exists('/'));
      await Promise.all([zk.addAuth('digest', bytes('user:secret')), ...reads]);
      await zk.create('/p', bytes('x'), {
        acl: [{ perms: 31, scheme: 'digest', id: 'user:5w9W4eL3797Y4Wq8AcKUPPk8ha4=' }],
      });
      expect((await zk.getAcl('/p')).acl).toMatchObject([{ scheme: 'digest', perms: 31 }]);
      await other.sync('/');
      await expect(other.get('/p')).rejects.toBeInstanceOf(NoAuthError);
      await zk.setAcl('/p', [{ perms: 1, scheme: 'world', id: 'anyone' }]);
      await other.sync('/');
      expect((await other.get('/p')).data.toString()).toBe('x');
    });

    test('one-shot watches fire once, with the right kind', async () => {
      const { zk } = await fresh();
      const events: string[] = [];
      const note = (name: string) => (e: WatchEvent) => events.push(`${name} ${e.type} ${e.path}`);
      expect(await zk.exists('/w', { watch: note('exists') })).toBeNull();
      await zk.create('/w', bytes(''));
      await zk.get('/w', { watch: note('data') });
      await zk.children('/w', { watch: note('children') });
      await zk.set('/w', bytes('1'));
      await zk.set('/w', bytes('2'));
      await zk.create('/w/c', bytes(''));
      await zk.delete('/w/c');
      await zk.exists('/w');
      expect(events).toEqual(['exists created /w', 'data data-changed /w', 'children children-changed /w']);
    });

    test('an event comes before the answer of the write that caused it', async () => {
      const { zk } = await fresh();
      const order: string[] = [];
      await zk.addWatch('/', 'persistent-recursive', (e) => order.push(`event ${e.path}`));
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => zk.create(`/o${i}`, bytes('')).then(() => order.push(`answer /o${i}`))),
      );
      expect(order).toEqual(Array.from({ length: 50 }, (_, i) => [`event /o${i}`, `answer /o${i}`]).flat());
    });

    test('persistent watches stay, recursive ones see everything below, until closed', async () => {
      const { zk } = await fresh();
      const plain: string[] = [];
      const deep: string[] = [];
      const handle = await zk.addWatch('/root', 'persistent', (e) => plain.push(`${e.type} ${e.path}`));
      await zk.addWatch('/root', 'persistent-recursive', (e) => deep.push(`${e.type} ${e.path}`));
      await zk.create('/root', bytes(''));
      await zk.create('/root/a', bytes(''));
      await zk.set('/root/a', bytes('1'));
      await zk.delete('/root/a');
      await handle.close();
      await zk.delete('/root');
      await zk.sync('/');
      expect(deep).toEqual([
        'created /root',
        'created /root/a',
        'data-changed /root/a',
        'deleted /root/a',
        'deleted /root',
      ]);
      expect(plain.filter((e) => e.startsWith('created'))).toEqual(['created /root']);
      expect(plain).not.toContain('deleted /root');
    });

    test('a session survives a reset; watches are armed again and tell what was missed', async () => {
      const { zk: other, chroot } = await fresh();
      await other.create('/kept', bytes(''));
      const { proxy, zk } = await proxied(chroot);
      const id = zk.sessionId;
      const events: string[] = [];
      await zk.create('/mine', bytes(''), { mode: 'ephemeral' });
      await zk.get('/kept', { watch: (e) => events.push(`get ${e.type}`) });
      await zk.exists('/later', { watch: (e) => events.push(`exists ${e.type}`) });
      await zk.addWatch('/', 'persistent-recursive', (e) => events.push(`deep ${e.type} ${e.path}`));
      const suspended: string[] = [];
      zk.onState((state) => suspended.push(state));
      proxy.refuse();
      await until(() => zk.state === 'suspended');
      await other.set('/kept', bytes('new'));
      await other.create('/later', bytes(''));
      const read = zk.get('/kept');
      proxy.heal();
      expect((await read).data.toString()).toBe('new');
      expect(zk.sessionId).toBe(id);
      await zk.sync('/');
      expect(events.filter((e) => !e.startsWith('deep')).sort()).toEqual(['exists created', 'get data-changed']);
      await other.create('/after', bytes(''));
      await until(() => events.includes('deep created /after'));
      expect(await other.exists('/mine')).not.toBeNull();
      expect(suspended).toEqual(['suspended', 'connected']);
    });

    test('an expired session fails its calls, and a new one takes its place with the persistent watches', async () => {
      const { zk: other, chroot } = await fresh();
      const { proxy, zk } = await proxied(chroot);
      const id = zk.sessionId;
      const states: string[] = [];
      const events: string[] = [];
      zk.onState((state) => states.push(state));
      await zk.addWatch('/', 'persistent-recursive', (e) => events.push(e.path));
      await zk.create('/mine', bytes(''), { mode: 'ephemeral' });
      const gone = new Promise<void>((resolve) => void other.exists('/mine', { watch: () => resolve() }));
      proxy.stall();
      const early = zk.create('/in-flight', bytes('')).catch((error: unknown) => error);
      await until(() => zk.state === 'suspended');
      const queued = zk.create('/queued', bytes('')).catch((error: unknown) => error);
      await gone;
      proxy.reset();
      proxy.heal();
      await until(() => zk.state === 'connected' && zk.sessionId !== id);
      expect(await early).toMatchObject({ code: 'connection-loss' });
      expect(await queued).toBeInstanceOf(SessionExpiredError);
      expect(await zk.exists('/queued')).toBeNull();
      expect(states).toEqual(['suspended', 'expired', 'connecting', 'connected']);
      await other.create('/new', bytes(''));
      await until(() => events.includes('/new'));
    });

    test('no call hangs: deadline and signal', async () => {
      const { chroot } = await fresh();
      const { proxy, zk } = await proxied(chroot);
      proxy.stall();
      await expect(zk.get('/', { timeoutMs: 300 })).rejects.toBeInstanceOf(DeadlineExceededError);
      const stop = new AbortController();
      const call = zk.set('/', bytes(''), -1, { signal: stop.signal });
      stop.abort(new Error('enough'));
      await expect(call).rejects.toThrow('enough');
      await zk.close();
      await expect(zk.get('/')).rejects.toMatchObject({ code: 'closed' });
      await expect(zk.waitConnected()).rejects.toMatchObject({ code: 'closed' });
    });

    test('an answer cut in the middle of its frame is not believed', async () => {
      const { zk: other, chroot } = await fresh();
      await other.create('/big', Buffer.alloc(100_000, 'x'));
      const { proxy, zk } = await proxied(chroot);
      for (const cut of [1, 3, 20, 1000]) {
        proxy.cutAfter(cut);
        expect((await zk.get('/big')).data.length).toBe(100_000);
      }
    });

    test('locks exclude, wait in order, and end with their session', async () => {
      const { zk, chroot } = await fresh();
      const other = connect({ chroot });
      const o = { runtime: systemRuntime, path: '/locks/l', createParents: true };
      const first = await tryLock({ ...o, client: zk });
      if (first.result !== 'acquired') throw new Error(first.result);
      expect(first.lock.contender).toMatch(/^[0-9a-f]{32}__lock__\d{10}$/);
      expect((await tryLock({ ...o, client: other })).result).toBe('locked');
      expect((await lock({ ...o, client: other }, { timeoutMs: 50 })).result).toBe('locked');
      const waiting = lock({ ...o, client: other });
      await expect.poll(async () => (await zk.children(o.path)).children.length).toBe(2);
      await zk.close();
      expect(first.lock.held).toBe(false);
      const second = await waiting;
      if (second.result !== 'acquired') throw new Error(second.result);
      expect(second.lock.held).toBe(true);
      await second.lock.release();
      expect((await other.children(o.path)).children).toEqual([]);
      expect((await tryLock({ ...o, client: other, path: '/no/lock', createParents: false })).result).toBe('gone');
    });

    test('a mirror is equal to the tree after storms, resets and an expired session', async () => {
      const { zk: other, chroot } = await fresh();
      await other.create('/tree', bytes(''));
      const { proxy, zk } = await proxied(chroot);
      const { mirror, seen } = mirroredData(zk, '/tree');
      await mirror.start();
      const storm = (seed: number) =>
        Promise.allSettled(
          Array.from({ length: 600 }, (_, i) => {
            const path = `/tree/n${(i * 7 + seed) % 23}`;
            const kind = (i * 13 + seed) % 5;
            if (kind === 0) return other.delete(path);
            if (kind < 3) return other.create(path, bytes(`c${seed}-${i}`));
            return other.set(path, bytes(`s${seed}-${i}`));
          }),
        );
      const truth = async () => {
        const { children } = await other.children('/tree');
        const all = await Promise.all(children.map(async (c) => [c, (await other.get(`/tree/${c}`)).data.toString()]));
        return Object.fromEntries(all.sort()) as Record<string, string>;
      };
      const agree = async () => {
        const wanted = await truth();
        await expect.poll(() => Object.fromEntries([...seen].sort()), { timeout: 20_000 }).toEqual(wanted);
      };
      for (let seed = 0; seed < 6; seed++) {
        const writes = storm(seed);
        if (seed % 2 === 1) proxy.reset();
        await writes;
        await agree();
      }
      const id = zk.sessionId;
      proxy.refuse();
      await storm(99);
      await until(() => zk.state !== 'suspended');
      proxy.heal();
      await until(() => zk.state === 'connected');
      expect(zk.sessionId).not.toBe(id);
      await agree();
      await mirror.close();
    });
  });
}
