import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isBroken } from '../../records/broken.ts';
import { newNode, type NodeRecord } from '../../records/node.ts';
import type { HeldNode, HeldRequest } from './operations.ts';
import { StoreBed, type Side } from '../testing/store-bed.ts';
import type { NodeEntry, RequestEntry } from '../mirrors/views.ts';

let bed: StoreBed;
let side: Side;

beforeEach(async () => {
  bed = await StoreBed.open();
  side = await bed.side();
});

afterEach(() => bed.close());

const foreign = `${'f'.repeat(32)}__lock__`;
const initNode = (fields: object = {}): NodeRecord =>
  newNode({ state: 'init', provider: 'p', pool: 'main', labels: ['small'], ...fields }, 1_000_000);
const until = async (condition: () => boolean | Promise<boolean>) => {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
};
/** The request as this side's mirror has it. */
const ask = async (s: Side = side): Promise<RequestEntry> => {
  const made = await bed.zk.create(
    '/nodepool/requests/200-',
    Buffer.from(
      '{"state": "requested", "state_time": 1.5, "node_types": ["small"], "requestor_data": {"id": 243758281276797397330304997386949176101}, "own": 1e2}',
    ),
    { mode: 'persistent-sequential' },
  );
  const id = made.path.slice('/nodepool/requests/'.length);
  await until(() => s.store.requests.get(id) !== undefined);
  return s.store.requests.get(id)!;
};
const accept = async (
  entry: RequestEntry,
  count = 1,
): Promise<{ request: HeldRequest; nodes: readonly NodeEntry[] }> => {
  const nodes = Array.from({ length: count }, () => initNode({ allocatedTo: entry.id }));
  const result = await side.operations.acceptRequest(entry, { state: 'pending' }, nodes);
  if (!result.ok) throw new Error(result.reason);
  return result;
};
const build = async (entry: NodeEntry): Promise<HeldNode> => {
  const result = await side.operations.startBuilding(entry, { state: 'building' });
  if (!result.ok) throw new Error(result.reason);
  return result.node;
};
const put = async (fields: object): Promise<string> => {
  const [entry] = await side.operations.createNodes([initNode(fields)]);
  return entry!.id;
};
const lockDir = (id: string) => `/nodepool/nodes/${id}/lock`;
const requestLock = (id: string) => `/nodepool/requests-lock/${id}`;
const contend = async (directory: string) => {
  await bed.zk.ensurePath(directory);
  return bed.zk.create(`${directory}/${foreign}`, new Uint8Array(), { mode: 'ephemeral-sequential' });
};

describe('number of transactions', () => {
  test('a launch takes five, the return two', async () => {
    const entry = await ask();
    let held!: HeldNode;
    const launch = await bed.transactions(async () => {
      const { request, nodes } = await accept(entry);
      held = await build(nodes[0]!);
      expect(await held.write({ externalId: 'i-1' })).toEqual({ ok: true });
      expect(await held.write({ interfaceIp: '10.0.0.1' })).toEqual({ ok: true });
      const done = await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {
        state: 'fulfilled',
        nodes: [held.id],
      });
      expect(done).toEqual({ ok: true });
    });
    expect(launch).toBe(5);
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toMatchObject({ state: 'ready', allocated_to: entry.id });
    expect(await bed.children(lockDir(held.id))).toEqual([]);
    expect(await bed.children(requestLock(entry.id))).toBeNull();
    const request = (await bed.zk.get(`/nodepool/requests/${entry.id}`)).data.toString();
    expect(request).toContain('243758281276797397330304997386949176101');
    expect(request).toContain('"own": 1e2');
    expect(JSON.parse(request)).toMatchObject({ state: 'fulfilled', nodes: [held.id], declined_by: [], reuse: true });

    await bed.zk.set(`/nodepool/nodes/${held.id}`, Buffer.from('{"state": "used", "provider": "p"}'));
    await until(() => side.store.nodes.byState('used').has(held.id));
    const back = await bed.transactions(async () => {
      const started = await side.operations.startDeleting(held.id, (n) => n.state === 'used');
      if (!started.ok) throw new Error(started.reason);
      await side.operations.finishDeleting(started.node);
    });
    expect(back).toBe(2);
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
  });

  test('a reuse takes three', async () => {
    const id = await put({ state: 'ready' });
    await bed.zk.ensurePath(lockDir(id));
    const entry = await ask();
    const count = await bed.transactions(async () => {
      const { request } = await accept(entry, 0);
      const taken = await side.operations.lockNode(id, { expect: (n) => n.allocatedTo === null });
      if (!taken.ok) throw new Error(taken.reason);
      const fields = { allocatedTo: entry.id, tenantName: 't', requestor: 'zuul' };
      const done = await side.operations.fulfil(request, [{ held: taken.node, fields }], {
        state: 'fulfilled',
        nodes: [id],
      });
      expect(done).toEqual({ ok: true });
    });
    expect(count).toBe(3);
    expect(await bed.json(`/nodepool/nodes/${id}`)).toMatchObject({
      state: 'ready',
      allocated_to: entry.id,
      tenant_name: 't',
    });
  });

  test('own writes are in the mirror when the promise resolves', async () => {
    const { nodes } = await accept(await ask());
    expect(side.store.nodes.get(nodes[0]!.id)?.node).toMatchObject({ state: 'init' });
    const held = await build(nodes[0]!);
    expect(side.store.nodes.byState('building').has(held.id)).toBe(true);
    await held.write({ state: 'aborted' });
    expect(side.store.nodes.byState('aborted').has(held.id)).toBe(true);
    expect(side.store.nodes.byState('building').size).toBe(0);
  });

  test('what was written here is neither read nor parsed again, and is what another launcher reads', async () => {
    const other = await bed.side();
    const { request, nodes } = await accept(await ask());
    expect(side.store.nodes.get(nodes[0]!.id)!.node).toBe(nodes[0]!.node);
    const held = await build(nodes[0]!);
    await held.write({ externalId: 'i-1', resources: { cores: 2 }, slot: 0, hostKeys: ['ssh-rsa AAAA'] });
    await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {
      state: 'fulfilled',
      nodes: [held.id],
    });
    const mine = side.store.nodes.get(held.id)!.node as NodeRecord;
    expect(mine).toBe(held.node);
    expect(side.store.requests.get(request.id)!.request).toBe(request.entry.request);
    await until(() => (other.store.nodes.get(held.id)?.node as NodeRecord | undefined)?.state === 'ready');
    const theirs = other.store.nodes.get(held.id)!.node as NodeRecord;
    expect(theirs.document.toText()).toBe(mine.document.toText());
    expect(theirs).toMatchObject({ id: held.id, externalId: 'i-1', resources: { cores: 2 }, slot: 0, state: 'ready' });
    expect(theirs).toEqual(mine);
  });
});

describe('races', () => {
  test('a request that somebody else holds is refused, and no trace is left', async () => {
    const entry = await ask();
    const other = await contend(requestLock(entry.id));
    expect(await side.operations.acceptRequest(entry, { state: 'pending' }, [initNode()])).toEqual({
      ok: false,
      reason: 'locked',
    });
    expect(await bed.children(requestLock(entry.id))).toEqual([other.path.split('/').at(-1)]);
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
    expect(await bed.json(`/nodepool/requests/${entry.id}`)).toMatchObject({ state: 'requested' });
  });

  test('with an empty lock directory left over it goes step by step', async () => {
    const entry = await ask();
    await bed.zk.ensurePath(requestLock(entry.id));
    const { request, nodes } = await accept(entry, 2);
    expect(nodes).toHaveLength(2);
    expect(request.held).toBe(true);
    expect(await bed.json(`/nodepool/requests/${entry.id}`)).toMatchObject({ state: 'pending' });
    await request.release();
    expect(await bed.children(requestLock(entry.id))).toBeNull();
  });

  test('of two launchers exactly one accepts', async () => {
    const second = await bed.side();
    const entry = await ask();
    await until(() => second.store.requests.get(entry.id) !== undefined);
    const results = await Promise.all(
      [side, second].map((s) =>
        s.operations.acceptRequest(s.store.requests.get(entry.id)!, { state: 'pending' }, [initNode()]),
      ),
    );
    expect(results.filter((r) => r.ok)).toHaveLength(1);
    expect(await bed.children('/nodepool/nodes')).toHaveLength(1);
    expect(await bed.children(requestLock(entry.id))).toHaveLength(1);
  });

  test('a request revised in between is refused as changed, one that is gone as gone', async () => {
    const entry = await ask();
    await bed.zk.set(`/nodepool/requests/${entry.id}`, Buffer.from('{"state": "requested", "relative_priority": 3}'));
    expect(await side.operations.acceptRequest(entry, { state: 'pending' }, [])).toEqual({
      ok: false,
      reason: 'changed',
    });
    await bed.zk.delete(`/nodepool/requests/${entry.id}`);
    expect(await side.operations.acceptRequest(entry, { state: 'pending' }, [])).toEqual({ ok: false, reason: 'gone' });
    expect(await bed.children('/nodepool/requests-lock')).toEqual([]);
  });

  test.each([
    ['written by somebody else', 'changed'],
    ['locked by somebody else', 'locked'],
    ['removed', 'gone'],
  ] as const)('a launch whose node was %s meanwhile is refused as %s, and leaves no trace', async (what, reason) => {
    const { nodes } = await accept(await ask());
    const [entry] = nodes;
    const path = `/nodepool/nodes/${entry!.id}`;
    if (what === 'written by somebody else') await bed.zk.set(path, Buffer.from('{"state": "deleting"}'));
    else if (what === 'locked by somebody else') await contend(lockDir(entry!.id));
    else await bed.zk.delete(path);
    const count = await bed.transactions(async () => {
      const started = await side.operations.startBuilding(entry!, { state: 'building' });
      expect(started).toEqual({ ok: false, reason });
    });
    expect(count).toBe(0);
    if (what === 'written by somebody else') expect(await bed.json(path)).toEqual({ state: 'deleting' });
  });

  test('the deletion of a node that was written meanwhile is refused as changed, and leaves no contender', async () => {
    const id = await put({ state: 'used' });
    await bed.zk.ensurePath(lockDir(id));
    const path = `/nodepool/nodes/${id}`;
    const seen = side.store.nodes.get(id)!;
    await bed.zk.set(path, Buffer.from('{"state": "in-use"}'));
    await until(() => side.store.nodes.get(id)!.version > seen.version);
    // As a mirror that is behind would have it.
    const { stat } = await bed.zk.get(path);
    side.store.nodes.apply(id, { value: seen.node!, stat: { ...stat, version: seen.version } });
    expect(await side.operations.startDeleting(id, () => true)).toEqual({ ok: false, reason: 'changed' });
    expect(await bed.children(lockDir(id))).toEqual([]);
    expect(await bed.json(path)).toEqual({ state: 'in-use' });
  });

  test('a hand-over over a node that somebody else has written is refused as changed, and nothing is handed over', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    await bed.zk.set(`/nodepool/nodes/${held.id}`, Buffer.from('{"state": "building", "hold_job": "x"}'));
    const result = await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {
      state: 'fulfilled',
      nodes: [held.id],
    });
    expect(result).toEqual({ ok: false, reason: 'changed' });
    expect([request.held, held.held]).toEqual([true, true]);
    expect(await bed.json(`/nodepool/requests/${entry.id}`)).toMatchObject({ state: 'pending' });
  });

  test('a revision under our lock is merged', async () => {
    const entry = await ask();
    const { request } = await accept(entry);
    await bed.zk.set(
      `/nodepool/requests/${entry.id}`,
      Buffer.from('{"state": "pending", "relative_priority": 7, "new": 12345678901234567890}'),
    );
    expect(await request.update({ declinedBy: ['me'] })).toEqual({ ok: true });
    const text = (await bed.zk.get(`/nodepool/requests/${entry.id}`)).data.toString();
    expect(text).toContain('12345678901234567890');
    expect(JSON.parse(text)).toMatchObject({ relative_priority: 7, declined_by: ['me'] });
  });

  test('a write of what is gone is refused as gone, of a node that can no longer be read as changed', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry, 2);
    const [first, second] = [await build(nodes[0]!), await build(nodes[1]!)];
    await bed.zk.set(`/nodepool/nodes/${first.id}`, Buffer.from('no document'));
    expect(await first.write({ externalId: 'i-1' })).toEqual({ ok: false, reason: 'changed' });
    await second.release();
    const again = await side.operations.lockNode(second.id);
    if (!again.ok) throw new Error(again.reason);
    await bed.zk.delete(again.node.lock.path);
    await bed.zk.delete(lockDir(second.id));
    await bed.zk.delete(`/nodepool/nodes/${second.id}`);
    expect(await again.node.write({ externalId: 'i-2' })).toEqual({ ok: false, reason: 'gone' });
    await bed.zk.delete(`/nodepool/requests/${entry.id}`);
    expect(await request.update({ state: 'failed' })).toEqual({ ok: false, reason: 'gone' });
  });

  test('a request that vanishes before the hand-over is refused as gone; the nodes stay locked and unchanged', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    await bed.zk.delete(`/nodepool/requests/${entry.id}`);
    const result = await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {
      state: 'fulfilled',
      nodes: [held.id],
    });
    expect(result).toEqual({ ok: false, reason: 'gone' });
    expect(held.held).toBe(true);
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toMatchObject({ state: 'building' });
    expect(await bed.children(lockDir(held.id))).toHaveLength(1);
  });

  test('a second contender for the request does not stop the hand-over; the directory stays', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    const other = await contend(requestLock(entry.id));
    const result = await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {
      state: 'fulfilled',
      nodes: [held.id],
    });
    expect(result).toEqual({ ok: true });
    expect(await bed.children(requestLock(entry.id))).toEqual([other.path.split('/').at(-1)]);
  });

  test('deleting a node that somebody holds is withdrawn', async () => {
    const id = await put({ state: 'used' });
    await contend(lockDir(id));
    // The mirror has not seen the contender.
    await until(() => side.store.nodes.get(id)?.locked === true);
    expect(await side.operations.startDeleting(id, () => true)).toEqual({ ok: false, reason: 'locked' });
    expect(await bed.children(lockDir(id))).toHaveLength(1);
    expect(await bed.json(`/nodepool/nodes/${id}`)).toMatchObject({ state: 'used' });
  });

  test('somebody who tries for the lock for a moment does not stop the removal', async () => {
    const id = await put({ state: 'used' });
    const started = await side.operations.startDeleting(id, () => true);
    if (!started.ok) throw new Error(started.reason);
    const { path } = await contend(lockDir(id));
    const finished = side.operations.finishDeleting(started.node);
    await expect.poll(async () => (await bed.zk.get(`/nodepool/nodes/${id}`)).data.toString()).toContain('"deleted"');
    await bed.zk.delete(path);
    await finished;
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
  });

  test('who stands in the lock of a node on its way out keeps his place; the next one removes it', async () => {
    const id = await put({ state: 'used' });
    const started = await side.operations.startDeleting(id, () => true);
    if (!started.ok) throw new Error(started.reason);
    const { path } = await contend(lockDir(id));
    await side.operations.finishDeleting(started.node);
    expect(await bed.children(lockDir(id))).toEqual([path.slice(path.lastIndexOf('/') + 1)]);
    await bed.zk.delete(path);
    await expect.poll(() => side.store.nodes.get(id)?.locked).toBe(false);
    const again = await side.operations.startDeleting(id, (node) => node.state === 'deleted');
    if (!again.ok) throw new Error(again.reason);
    await side.operations.finishDeleting(again.node);
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
  });

  test('no lock attempt makes a node that is gone', async () => {
    expect(await side.operations.lockNode('0000000099')).toEqual({ ok: false, reason: 'gone' });
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
  });

  test('a node whose state is not the expected one is unlocked again', async () => {
    const id = await put({ state: 'in-use' });
    expect(await side.operations.lockNode(id, { expect: (n) => n.state === 'ready' })).toEqual({
      ok: false,
      reason: 'changed',
    });
    expect(await bed.children(lockDir(id))).toEqual([]);
  });

  test('after the session has ended nothing is written through the handles', async () => {
    const mortal = await bed.mortalSide();
    side = mortal;
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    const { sessionId } = side.real;
    mortal.proxy.refuse();
    await until(async () => (await bed.children(lockDir(held.id)))!.length === 0);
    mortal.proxy.heal();
    await until(() => side.store.synced && side.real.sessionId !== sessionId);
    const count = await bed.transactions(async () => {
      expect([request.held, held.held]).toEqual([false, false]);
      expect(await held.write({ state: 'ready' })).toEqual({ ok: false, reason: 'session' });
      expect(await request.update({ state: 'fulfilled' })).toEqual({ ok: false, reason: 'session' });
      expect(await side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], {})).toEqual({
        ok: false,
        reason: 'session',
      });
      await side.operations.finishDeleting(held);
      await held.release();
      await request.release();
    });
    expect(count).toBe(0);
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toMatchObject({ state: 'building' });
  });
});

describe('lost answers', () => {
  const handOver = (request: HeldRequest, held: HeldNode) =>
    side.operations.fulfil(request, [{ held, fields: { state: 'ready' } }], { state: 'fulfilled', nodes: [held.id] });

  test.each([true, false])('hand-over (applied: %s)', async (applied) => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    side.flaky.lose('multi', applied);
    expect(await handOver(request, held)).toEqual({ ok: true });
    expect([request.held, held.held]).toEqual([false, false]);
    expect(await bed.json(`/nodepool/requests/${entry.id}`)).toMatchObject({ state: 'fulfilled' });
  });

  test('hand-over whose nodes the consumer has taken meanwhile is done, not gone', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    side.flaky.lose('multi', true, async () => {
      await contend(lockDir(held.id));
      await bed.zk.set(`/nodepool/nodes/${held.id}`, Buffer.from('{"state": "in-use"}'));
      await bed.zk.delete(`/nodepool/requests/${entry.id}`);
    });
    expect(await handOver(request, held)).toEqual({ ok: true });
    expect(await held.write({ allocatedTo: null })).toMatchObject({ ok: false });
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toEqual({ state: 'in-use' });
  });

  test('hand-over whose request was unlocked by somebody else: with the nodes still locked nothing was handed over', async () => {
    const entry = await ask();
    const { request, nodes } = await accept(entry);
    const held = await build(nodes[0]!);
    side.flaky.lose('multi', false, () => bed.zk.delete(request.lock.path));
    expect(await handOver(request, held)).toEqual({ ok: false, reason: 'gone' });
    expect(held.held).toBe(true);
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toMatchObject({ state: 'building' });
  });

  test('hand-over: a connection that breaks again while asking does not make the request gone', async () => {
    const { request, nodes } = await accept(await ask());
    const held = await build(nodes[0]!);
    side.flaky.lose('multi', true);
    side.flaky.lose('get', false);
    side.flaky.lose('children', false);
    expect(await handOver(request, held)).toEqual({ ok: true });
  });

  test.each([true, false])('start of a launch (applied: %s): the node is ours', async (applied) => {
    const { nodes } = await accept(await ask());
    side.flaky.lose('multi', applied);
    const held = await build(nodes[0]!);
    expect(await held.write({ externalId: 'i-1' })).toEqual({ ok: true });
    expect(await bed.children(lockDir(held.id))).toHaveLength(1);
    await held.release();
    expect(await bed.children(lockDir(held.id))).toEqual([]);
  });

  test.each([true, false])('acceptance (applied: %s) leaves no contender', async (applied) => {
    const entry = await ask();
    side.flaky.lose('multi', applied);
    side.flaky.lose('children', false);
    await expect(accept(entry)).rejects.toMatchObject({ code: 'connection-loss' });
    expect((await bed.children(requestLock(entry.id))) ?? []).toEqual([]);
  });

  test('acceptance with a directory left over leaves no contender', async () => {
    const entry = await ask();
    await bed.zk.ensurePath(requestLock(entry.id));
    // The first one finds the directory, the second one creates the nodes.
    side.flaky.spare('multi');
    side.flaky.lose('multi', false);
    await expect(accept(entry)).rejects.toMatchObject({ code: 'connection-loss' });
    expect(side.flaky.planned).toBe(0);
    expect((await bed.children(requestLock(entry.id))) ?? []).toEqual([]);
  });

  test.each([true, false])(
    'start of a deletion (applied: %s) leaves no contender that nobody knows',
    async (applied) => {
      const id = await put({ state: 'used' });
      await bed.zk.ensurePath(lockDir(id));
      side.flaky.lose('multi', applied);
      const started = await side.operations.startDeleting(id, () => true).catch(() => null);
      if (started?.ok) await started.node.release();
      expect(await bed.children(lockDir(id))).toEqual([]);
    },
  );

  test('start of a deletion: the look at the order may fail', async () => {
    const id = await put({ state: 'used' });
    await bed.zk.ensurePath(lockDir(id));
    side.flaky.lose('children', false);
    const started = await side.operations.startDeleting(id, () => true).catch(() => null);
    if (started?.ok) await started.node.release();
    expect(await bed.children(lockDir(id))).toEqual([]);
  });

  test.each([true, false])('end of a deletion (applied: %s)', async (applied) => {
    const id = await put({ state: 'used' });
    const started = await side.operations.startDeleting(id, () => true);
    if (!started.ok) throw new Error(started.reason);
    side.flaky.lose('multi', applied);
    await side.operations.finishDeleting(started.node);
    expect(await bed.children('/nodepool/nodes')).toEqual([]);
  });

  test.each([true, false])('write of a locked node (applied: %s)', async (applied) => {
    const { nodes } = await accept(await ask());
    const held = await build(nodes[0]!);
    side.flaky.lose('set', applied);
    side.flaky.lose('get', false);
    expect(await held.write({ externalId: 'i-1' })).toEqual({ ok: true });
    expect(await held.write({ comment: 'x' })).toEqual({ ok: true });
    expect(await bed.json(`/nodepool/nodes/${held.id}`)).toMatchObject({ external_id: 'i-1', comment: 'x' });
  });

  test.each([true, false])('write of a locked request (applied: %s)', async (applied) => {
    const entry = await ask();
    const { request } = await accept(entry);
    side.flaky.lose('set', applied);
    side.flaky.lose('get', false);
    expect(await request.update({ declinedBy: ['x'] })).toEqual({ ok: true });
    expect(await bed.json(`/nodepool/requests/${entry.id}`)).toMatchObject({ declined_by: ['x'] });
  });
});

describe('requests of our own and leftovers', () => {
  test('an ephemeral request, its nodes freed when it is done', async () => {
    const made = await side.operations.createRequest({ nodeTypes: ['small'], requestor: 'NodePool:min-ready' }, '900', {
      ephemeral: true,
    });
    expect(made.id).toMatch(/^900-\d{10}$/);
    expect((await bed.zk.exists(`/nodepool/requests/${made.id}`))!.ephemeralOwner).toBe(side.real.sessionId);
    const id = await put({ state: 'ready', allocatedTo: made.id });
    await side.operations.freeNodesOf(made.id, [id, '0000000099']);
    expect(await bed.json(`/nodepool/nodes/${id}`)).toMatchObject({ allocated_to: null });
    expect(await bed.children('/nodepool/requests')).toEqual([]);
    if (!isBroken(made.request)) expect(made.request.eventId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('empty node znodes go with what is below them, others stay', async () => {
    await bed.zk.ensurePath(lockDir('0000000007'));
    await side.operations.removeBrokenNode('0000000007');
    const id = await put({ state: 'ready' });
    await side.operations.removeBrokenNode(id);
    expect(await bed.children('/nodepool/nodes')).toEqual([id]);
  });

  test('lock directories go when their request is gone and they are old', async () => {
    const entry = await ask();
    await bed.zk.ensurePath(requestLock(entry.id));
    await bed.zk.ensurePath(requestLock('200-0000000098'));
    await contend(requestLock('200-0000000099'));
    await side.operations.sweepRequestLocks(60_000);
    expect(await bed.children('/nodepool/requests-lock')).toHaveLength(3);
    await side.operations.sweepRequestLocks(-60_000);
    // Whoever stands in a lock is still at work.
    expect(new Set(await bed.children('/nodepool/requests-lock'))).toEqual(new Set([entry.id, '200-0000000099']));
  });
});
