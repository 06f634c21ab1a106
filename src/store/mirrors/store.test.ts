import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ComponentRecord } from '../../records/component.ts';
import { ComponentHandle } from '../transactions/components.ts';
import { StoreBed, type Side } from '../testing/store-bed.ts';
import { NodeView } from './views.ts';

let bed: StoreBed;
let side: Side;

beforeEach(async () => {
  bed = await StoreBed.open();
  side = await bed.side();
});

afterEach(() => bed.close());

const until = async (condition: () => boolean | Promise<boolean>) => {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
};
const makeNode = async (document: string): Promise<string> => {
  const made = await bed.zk.create('/nodepool/nodes/', Buffer.from(document), { mode: 'persistent-sequential' });
  const id = made.path.slice('/nodepool/nodes/'.length);
  await until(() => side.store.nodes.get(id) !== undefined);
  return id;
};
const contender = `${'a'.repeat(32)}__lock__`;

describe('nodes', () => {
  test('indexes follow every change', async () => {
    const { nodes } = side.store;
    const id = await makeNode('{"state": "ready", "provider": "p", "type": ["a", "b"], "allocated_to": "200-1"}');
    expect(
      [
        nodes.byProvider('p'),
        nodes.byLabel('a'),
        nodes.byLabel('b'),
        nodes.byState('ready'),
        nodes.byAllocatedTo('200-1'),
      ].map((s) => [...s]),
    ).toEqual([[id], [id], [id], [id], [id]]);
    await bed.zk.set(`/nodepool/nodes/${id}`, Buffer.from('{"state": "used", "provider": "q", "type": ["b"]}'));
    await until(() => nodes.byProvider('q').has(id));
    expect([
      nodes.byProvider('p').size,
      nodes.byLabel('a').size,
      nodes.byLabel('b').size,
      nodes.byState('ready').size,
      nodes.byAllocatedTo('200-1').size,
    ]).toEqual([0, 0, 1, 0, 0]);
    await bed.zk.delete(`/nodepool/nodes/${id}`);
    await until(() => nodes.size === 0);
    expect([nodes.byProvider('q').size, nodes.byLabel('b').size, nodes.byState('used').size]).toEqual([0, 0, 0]);
  });

  test('locked as long as somebody stands in the lock; other names do not count', async () => {
    const id = await makeNode('{"state": "ready"}');
    await bed.zk.ensurePath(`/nodepool/nodes/${id}/lock/note`);
    const made = await bed.zk.create(`/nodepool/nodes/${id}/lock/${contender}`, new Uint8Array(), {
      mode: 'ephemeral-sequential',
    });
    await until(() => side.store.nodes.get(id)!.locked);
    expect(side.store.nodes.get(id)!.contenders.size).toBe(1);
    await bed.zk.delete(made.path);
    await until(() => !side.store.nodes.get(id)!.locked);
  });

  test('a broken document is an entry, said once, and heals', async () => {
    const id = await makeNode('{"state": "asleep"}');
    expect(side.store.nodes.get(id)!.node).toMatchObject({ broken: true, reason: 'unknown-state' });
    const lock = `/nodepool/nodes/${id}/lock`;
    await bed.zk.ensurePath(lock);
    await bed.zk.create(`${lock}/${contender}`, new Uint8Array(), { mode: 'ephemeral-sequential' });
    await until(() => side.store.nodes.get(id)!.locked);
    expect(side.logged).toHaveLength(1);
    expect(side.logged[0]!.fields).toMatchObject({ path: `/nodepool/nodes/${id}`, reason: 'unknown-state' });
    await bed.zk.set(`/nodepool/nodes/${id}`, Buffer.from('{"state": "ready"}'));
    await until(() => side.store.nodes.byState('ready').has(id));
    expect(side.store.nodes.get(id)!.locked).toBe(true);
  });

  test('a listener that throws stops no other and is told of before and after', async () => {
    const seen: [boolean, boolean][] = [];
    side.store.nodes.onChange(() => {
      throw new Error('planted');
    });
    const off = side.store.nodes.onChange((_id, before, after) =>
      seen.push([before !== undefined, after !== undefined]),
    );
    const id = await makeNode('{"state": "ready"}');
    await bed.zk.delete(`/nodepool/nodes/${id}`);
    await until(() => side.store.nodes.size === 0);
    expect(seen).toEqual([
      [false, true],
      [true, false],
    ]);
    expect(side.logged.some((entry) => entry.message.includes('listener'))).toBe(true);
    off();
    await makeNode('{"state": "ready"}');
    expect(seen).toHaveLength(2);
  });

  test('a node that went before it could be read leaves no entry behind', () => {
    const view = new NodeView(
      () => undefined,
      (error) => {
        throw error;
      },
    );
    const changes: string[] = [];
    view.onChange((id, before, after) => changes.push(`${id} ${before ? 'was' : 'new'} ${after ? 'is' : 'gone'}`));
    view.apply(`7/lock/${contender}0000000000`, null);
    expect(view.get('7')).toMatchObject({ node: null, locked: true });
    view.apply(`7/lock/${contender}0000000000`, undefined);
    expect(view.get('7')).toBeUndefined();
    view.apply(`7/lock/${contender}0000000000`, undefined);
    expect(changes).toEqual(['7 new is', '7 was gone']);
  });

  test.each([
    ['1', 'data'],
    ['1/lock', 'ignore'],
    ['1/lock/x', 'name'],
    ['1/other/x', 'ignore'],
    ['1/lock/x/y', 'ignore'],
  ] as const)('%s is %s', (path, kind) => {
    expect(NodeView.classify(path)).toBe(kind);
  });
});

describe('requests, images, sessions', () => {
  test('requests by state and their locks', async () => {
    const made = await bed.zk.create('/nodepool/requests/200-', Buffer.from('{"state": "requested"}'), {
      mode: 'persistent-sequential',
    });
    const id = made.path.slice('/nodepool/requests/'.length);
    await until(() => side.store.requests.byState('requested').has(id));
    await bed.zk.set(made.path, Buffer.from('{"state": "pending"}'));
    await bed.zk.ensurePath(`/nodepool/requests-lock/${id}`);
    const lock = await bed.zk.create(`/nodepool/requests-lock/${id}/${contender}`, new Uint8Array(), {
      mode: 'ephemeral-sequential',
    });
    await until(() => side.store.requests.byState('pending').has(id) && side.store.requestLocks.isLocked(id));
    expect(side.store.requests.byState('requested').size).toBe(0);
    await bed.zk.delete(lock.path);
    await until(() => !side.store.requestLocks.isLocked(id));
  });

  test('the newest ready upload for a provider', async () => {
    const images = '/nodepool/images/deb/builds/b1/providers/p/images';
    await bed.zk.ensurePath(`${images}/lock`);
    for (const [name, state, time] of [
      ['0000000001', 'ready', 5],
      ['0000000002', 'ready', 9],
      ['0000000003', 'failed', 11],
    ] as const)
      await bed.zk.create(
        `${images}/${name}`,
        Buffer.from(JSON.stringify({ state, state_time: time, external_id: name })),
      );
    await until(() => side.store.images.mostRecentUpload('p', 'deb')?.upload.externalId === '0000000002');
    expect(side.store.images.mostRecentUpload('p', 'deb')!.path).toBe(`${images}/0000000002`);
    expect(side.store.images.mostRecentUpload('q', 'deb')).toBeUndefined();
  });

  test('not synced while cut off; afterwards what was missed is there, and components are registered anew', async () => {
    const mortal = await bed.mortalSide();
    const handle = await ComponentHandle.register(mortal.store, pool);
    const gone = await makeNode('{"state": "ready"}');
    await until(() => mortal.store.nodes.get(gone) !== undefined);
    const told: boolean[] = [];
    mortal.store.onSync((synced) => told.push(synced));
    mortal.proxy.refuse();
    await until(() => !mortal.store.synced);
    await bed.zk.delete(`/nodepool/nodes/${gone}`);
    const fresh = await makeNode('{"state": "used"}');
    await until(async () => (await bed.children('/nodepool/components/pool'))!.length === 0);
    mortal.proxy.heal();
    await until(() => mortal.store.synced);
    expect([mortal.store.nodes.get(gone), mortal.store.nodes.byState('used').has(fresh)]).toEqual([undefined, true]);
    expect(told).toEqual([false, true]);
    await until(async () => (await bed.children('/nodepool/components/pool'))!.length === 1);
    await handle.unregister();
  });
});

const pool: ComponentRecord = {
  kind: 'pool',
  hostname: 'host',
  state: 'running',
  version: '1',
  modelApi: 0,
  id: 'pool-id',
  name: 'main',
  providerName: 'p',
  supportedLabels: ['a'],
  priority: 100,
  paused: false,
};

describe('components', () => {
  const only = async () => {
    const names = (await bed.children('/nodepool/components/pool'))!;
    expect(names).toHaveLength(1);
    return bed.json(`/nodepool/components/pool/${names[0]!}`);
  };

  test('own registration is visible at once, equal values write nothing', async () => {
    const handle = await ComponentHandle.register(side.store, pool);
    expect([...side.store.components.pools()]).toEqual([pool]);
    expect(await bed.transactions(async () => handle.update({ paused: false }))).toBe(0);
    handle.update({ paused: true });
    await until(async () => (await only())['paused'] === true);
    await handle.unregister();
    expect(await bed.children('/nodepool/components/pool')).toEqual([]);
  });

  test.each([true, false])('a lost answer (applied: %s) loses no later update', async (applied) => {
    const handle = await ComponentHandle.register(side.store, pool);
    side.flaky.lose('set', applied);
    handle.update({ paused: true });
    handle.update({ priority: 7 });
    await until(async () => (await only())['priority'] === 7);
    handle.update({ paused: false });
    await until(async () => (await only())['paused'] === false);
    await handle.unregister();
  });

  test('a lost answer does not register twice', async () => {
    await bed.zk.ensurePath('/nodepool/components/pool');
    side.flaky.lose('create', true);
    const handle = await ComponentHandle.register(side.store, pool);
    await only();
    await handle.unregister();
    expect(await bed.children('/nodepool/components/pool')).toEqual([]);
  });
});
