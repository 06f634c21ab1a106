import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MultiError, type MultiOperation, type ZooKeeper } from '@nodepool/zookeeper';
import { type Side, StoreBed } from '../testing/store-bed.ts';
import { commit, type Committed, nameAt, type Proof, statAt } from './commit.ts';

let bed: StoreBed;
let side: Side;

beforeEach(async () => {
  bed = await StoreBed.open();
  side = await bed.side();
  await bed.zk.create('/thing', Buffer.from('old'));
  await bed.zk.create('/lock', new Uint8Array());
});

afterEach(() => bed.close());

const prefix = `${'a'.repeat(32)}__lock__`;
const write: MultiOperation = { type: 'set', path: '/thing', data: Buffer.from('new'), version: 0 };
const enter: MultiOperation = {
  type: 'create',
  path: `/lock/${prefix}`,
  data: Buffer.alloc(0),
  mode: 'ephemeral-sequential',
};
const made: Proof = { contender: 'made', directory: '/lock', prefix };
const thing = async () => (await bed.zk.get('/thing')).data.toString();

class Announced {
  told = 0;
  failed(): void {
    this.told++;
  }
}

const locking = (
  more: readonly MultiOperation[] = [],
  announced = new Announced(),
  client: ZooKeeper = side.store.client,
) => commit(client, { operations: [enter, write, ...more], proof: made, announced: [announced] });

/** With a contender of ours in the lock, which the transaction removes. */
const releasing = async (announced = new Announced()) => {
  const { path } = await side.real.create(`/lock/${prefix}`, new Uint8Array(), { mode: 'ephemeral-sequential' });
  const name = path.slice('/lock/'.length);
  const committed = () =>
    commit(side.store.client, {
      operations: [write, { type: 'delete', path }],
      proof: { contender: 'removed', directory: '/lock', prefix: name },
      announced: [announced],
    });
  return { name, committed };
};

test('done: it brings what the answer says of each operation', async () => {
  const announced = new Announced();
  const committed = await locking([], announced);
  if (committed.outcome !== 'done') throw new Error(committed.outcome);
  expect(await bed.children('/lock')).toEqual([nameAt(committed.results, 0)]);
  expect(statAt(committed.results, 1)).toMatchObject({ version: 1 });
  expect(await thing()).toBe('new');
  expect(announced.told).toBe(0);
});

describe('refused: nothing is written', () => {
  test.each<[string, MultiOperation, string]>([
    ['a version that has changed', { type: 'check', path: '/thing', version: 7 }, 'bad-version'],
    ['a znode that is not there', { type: 'delete', path: '/nothing' }, 'no-node'],
    ['a znode that is there already', { type: 'create', path: '/lock', data: Buffer.alloc(0) }, 'node-exists'],
    ['a znode with children', { type: 'delete', path: '/nodepool' }, 'not-empty'],
  ])('for %s', async (_name, operation, code) => {
    const announced = new Announced();
    const count = await bed.transactions(async () => {
      const committed = await locking([operation], announced);
      expect(committed).toMatchObject({ outcome: 'refused', index: 2, reason: { code } });
      expect((committed as Extract<Committed, { outcome: 'refused' }>).error).toBeInstanceOf(MultiError);
    });
    expect(count).toBe(0);
    expect(await thing()).toBe('old');
    expect(await bed.children('/lock')).toEqual([]);
    expect(announced.told).toBe(1);
  });
});

describe('a lost answer', () => {
  test('that made a contender is settled as applied, with its name', async () => {
    const announced = new Announced();
    side.flaky.lose('multi', true);
    const committed = await locking([], announced);
    const [contender] = (await bed.children('/lock'))!;
    expect(committed).toMatchObject({ outcome: 'applied', contender, error: { code: 'connection-loss' } });
    expect(await thing()).toBe('new');
    expect(announced.told).toBe(1);
  });

  test('to a transaction that made no contender is settled as not applied', async () => {
    side.flaky.lose('multi', false);
    expect(await locking()).toMatchObject({ outcome: 'not-applied', error: { code: 'connection-loss' } });
    expect(await thing()).toBe('old');
  });

  test('to a transaction that removed a contender is settled as applied', async () => {
    const announced = new Announced();
    const { name, committed } = await releasing(announced);
    side.flaky.lose('multi', true);
    expect(await committed()).toMatchObject({ outcome: 'applied', contender: name });
    expect(await thing()).toBe('new');
    expect(announced.told).toBe(1);
  });

  test('to a transaction that left its contender where it was is settled as not applied', async () => {
    const { name, committed } = await releasing();
    side.flaky.lose('multi', false);
    expect(await committed()).toMatchObject({ outcome: 'not-applied' });
    expect(await thing()).toBe('old');
    expect(await bed.children('/lock')).toEqual([name]);
  });

  test('proves nothing by the contenders of others', async () => {
    await bed.zk.create(`/lock/${'b'.repeat(32)}__lock__`, new Uint8Array(), { mode: 'ephemeral-sequential' });
    side.flaky.lose('multi', false);
    expect(await locking()).toMatchObject({ outcome: 'not-applied' });
  });

  test('is asked after until the tree tells', async () => {
    side.flaky.lose('multi', true);
    side.flaky.lose('children', false);
    side.flaky.lose('children', true);
    expect(await locking()).toMatchObject({ outcome: 'applied' });
    expect(side.flaky.planned).toBe(0);
  });

  test('the mirrors are told before the tree is asked', async () => {
    const announced = new Announced();
    let told = -1;
    side.flaky.lose('multi', true);
    side.flaky.lose('children', false, () => Promise.resolve((told = announced.told)));
    await locking([], announced);
    expect(told).toBe(1);
  });
});

describe('the end of the session', () => {
  test('before the transaction was sent: expired, and nothing is written', async () => {
    const mortal = await bed.mortalSide();
    const announced = new Announced();
    const { sessionId } = mortal.real;
    await mortal.real.create('/lock/canary', new Uint8Array(), { mode: 'ephemeral' });
    mortal.proxy.refuse();
    await expect.poll(() => mortal.real.state).not.toBe('connected');
    const committing = locking([], announced, mortal.store.client);
    await expect.poll(() => bed.children('/lock'), { timeout: 10_000 }).toEqual([]);
    mortal.proxy.heal();
    expect(await committing).toEqual({ outcome: 'expired' });
    expect(mortal.real.sessionId).not.toBe(sessionId);
    expect(await thing()).toBe('old');
    expect(announced.told).toBe(1);
  });

  test('while the tree is asked: unknown, whatever was written', async () => {
    const mortal = await bed.mortalSide();
    let healed: Promise<void> = Promise.resolve();
    mortal.flaky.lose('multi', true, () => {
      mortal.proxy.refuse();
      healed = expect
        .poll(() => bed.children('/lock'), { timeout: 10_000 })
        .toEqual([])
        .then(() => mortal.proxy.heal());
      return Promise.resolve();
    });
    const committed = await locking([], new Announced(), mortal.store.client);
    await healed;
    expect(committed).toMatchObject({ outcome: 'unknown', error: { code: 'connection-loss' } });
    expect(await thing()).toBe('new');
  });
});

test('what says nothing of the transaction is thrown', async () => {
  const announced = new Announced();
  const client = bed.connect();
  await client.exists('/');
  await client.close();
  await expect(locking([], announced, client)).rejects.toMatchObject({ code: 'closed' });
  expect(announced.told).toBe(1);
});
