/** What a store does after its connection was lost: it reads what has changed and nothing else, and is right about locks. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StoreBed, type Side } from './testing/store-bed.ts';

let bed: StoreBed;
let side: Side & { readonly proxy: { refuse(): void; reset(): void; heal(): void } };
const until = async (condition: () => boolean | Promise<boolean>) => {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
};

beforeEach(async () => {
  bed = await StoreBed.open();
  side = await bed.mortalSide();
});
afterEach(() => bed.close());

const makeNode = async (state: string): Promise<string> => {
  const made = await bed.zk.create('/nodepool/nodes/', Buffer.from(`{"state": "${state}"}`), {
    mode: 'persistent-sequential',
  });
  return made.path.slice('/nodepool/nodes/'.length);
};
const contend = async (id: string) => {
  await bed.zk.ensurePath(`/nodepool/nodes/${id}/lock`);
  return (
    await bed.zk.create(`/nodepool/nodes/${id}/lock/${'c'.repeat(32)}__lock__`, new Uint8Array(), {
      mode: 'ephemeral-sequential',
    })
  ).path;
};

test('after a reconnect only documents that have changed are read; locks are as they are now', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 60; i++) ids.push(await makeNode('ready'));
  const [changed, removed, freed, locked] = ids as [string, string, string, string];
  const old = await contend(freed);
  await until(() => side.store.nodes.size === 60 && side.store.nodes.get(freed)!.locked);
  const reads: string[] = [];
  const { real } = side;
  const get = real.get.bind(real);
  real.get = (path, ...rest) => {
    reads.push(path);
    return get(path, ...rest);
  };
  const multiRead = real.multiRead.bind(real);
  real.multiRead = (wanted, ...rest) => {
    reads.push(...wanted.flatMap(({ type, path }) => (type === 'get' ? [path] : [])));
    return multiRead(wanted, ...rest);
  };
  side.proxy.refuse();
  await until(() => !side.store.synced);
  await bed.zk.set(`/nodepool/nodes/${changed}`, Buffer.from('{"state": "used"}'));
  await bed.zk.delete(`/nodepool/nodes/${removed}`);
  await bed.zk.delete(old);
  await contend(locked);
  const added = await makeNode('hold');
  side.proxy.heal();
  await until(() => side.store.synced);
  const { nodes } = side.store;
  expect([changed, removed, added].map((id) => nodes.get(id)?.node)).toMatchObject([
    { state: 'used' },
    undefined,
    { state: 'hold' },
  ] as object[]);
  expect([freed, locked].map((id) => nodes.get(id)!.locked)).toEqual([false, true]);
  // The one that has gone is asked for once, to be sure.
  expect([...new Set(reads)].filter((path) => path.startsWith('/nodepool/nodes/')).sort()).toEqual(
    [changed, removed, added].map((id) => `/nodepool/nodes/${id}`).sort(),
  );
  // And it goes on hearing of what happens.
  await bed.zk.set(`/nodepool/nodes/${added}`, Buffer.from('{"state": "used"}'));
  await until(() => nodes.byState('used').has(added));
});

test('a connection that comes and goes all the time leaves a store that is right and follows', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 10; i++) ids.push(await makeNode('ready'));
  for (let round = 0; round < 20; round++) {
    side.proxy.reset();
    // Nodes vanish while the tree is being looked through.
    const short = await makeNode('init');
    const changing = bed.zk.set(`/nodepool/nodes/${ids[round % 10]!}`, Buffer.from(`{"state": "hold", "n": ${round}}`));
    await Promise.all([changing, bed.zk.delete(`/nodepool/nodes/${short}`)]);
  }
  await until(() => side.store.synced && side.store.nodes.size === 10 && side.store.nodes.byState('hold').size === 10);
  expect(side.logged.filter(({ message }) => message.includes('failed'))).toEqual([]);
  const last = await makeNode('used');
  await until(() => side.store.nodes.byState('used').has(last));
});

test('what was there before a call to catch up is known after it, whoever wrote it', async () => {
  for (let i = 0; i < 20; i++) {
    const id = await makeNode('ready');
    expect(await side.store.nodes.mirror.catchUp()).toBe(true);
    expect(side.store.nodes.get(id)?.node).toMatchObject({ state: 'ready' });
  }
});
