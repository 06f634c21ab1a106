/** The driver metastatic over time: how long backing nodes are kept, changed and removed providers, lost sessions. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { parseBackingMark, parseBackingUse } from '../records/backing.ts';
import type { NodeRecord } from '../records/node.ts';
import { BackingOperations } from '../store/transactions/backing-operations.ts';
import { BackingView } from './backing/backing-view.ts';
import { adaptersWith, CloudClock, Cluster, fakeProvider, hastened } from './testing/cluster.ts';

const owner = 'NodePool:metastatic:slots';
const patience = { timeout: 20_000, interval: 5 };
const runtime = hastened(20);
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start(runtime);
});
afterEach(() => cluster.stop());

const big = fakeProvider(
  'cloud',
  '[{name: main, max-servers: 4, host-key-checking: false, labels: [{name: big, cloud-image: image, min-ram: 8192}]}]',
);
const slots = (label: string, more = '') => `
  - name: slots
    driver: metastatic
    ${more}
    pools: [{name: main, labels: [{name: small, backing-label: big, ${label}}]}]`;
const file = (...providers: string[]) => `labels: [{name: small}, {name: big}]\nproviders: ${providers.join('')}\n`;

const backing = (): NodeRecord[] => cluster.nodes().filter((node) => node.labels.includes('big'));
const slotOf = (id: string) => parseBackingUse(cluster.nodesOf(id)[0]!.driverData)!;
const askedFor = () =>
  [...cluster.seen.requests.all()].filter(({ request }) => !request.broken && request.requestor === owner);

async function take(): Promise<string> {
  const id = await cluster.submit({ nodeTypes: ['small'] });
  await cluster.untilState(id, 'fulfilled');
  return id;
}

const registered = (...providers: string[]) =>
  expect
    .poll(
      () =>
        cluster
          .pools()
          .map((pool) => pool.provider)
          .sort(),
      patience,
    )
    .toEqual(providers.sort());

test('an empty backing node stays for min-retention-time, though its grace time is over', async () => {
  await cluster.launch(file(big, slots('grace-time: 1, min-retention-time: 40')));
  await registered('cloud', 'slots');
  const job = await take();
  const [node] = backing();
  const { launched } = parseBackingMark(node!.userData, owner)!;
  await cluster.giveBack(job);
  await cluster.untilNodes(0);
  expect(runtime.nowMs() / 1000 - launched).toBeGreaterThanOrEqual(40);
});

test('min-retention-time does not begin anew with each job', async () => {
  await cluster.launch(file(big, slots('grace-time: 1, min-retention-time: 20')));
  await registered('cloud', 'slots');
  const job = await take();
  const [node] = backing();
  const { launched } = parseBackingMark(node!.userData, owner)!;
  await expect.poll(() => runtime.nowMs() / 1000 - launched, patience).toBeGreaterThan(30);
  await cluster.giveBack(job);
  const givenBack = runtime.nowMs();
  await cluster.untilNodes(0);
  // A grace time, and what the machine takes.
  expect((runtime.nowMs() - givenBack) / 1000).toBeLessThan(20);
});

test('a changed provider goes on with its backing nodes; their slots stay as many as they were', async () => {
  const launcher = await cluster.launch(file(big, slots('max-parallel-jobs: 2, grace-time: 1000')));
  await registered('cloud', 'slots');
  const first = await take();
  launcher.reload(cluster.config(file(big, slots('max-parallel-jobs: 3, grace-time: 1000'))));
  const jobs = [first, await take(), await take(), await take(), await take()];
  const perNode = new Map<string, number[]>();
  for (const { backingNode, slot } of jobs.map(slotOf))
    perNode.set(backingNode, [...(perNode.get(backingNode) ?? []), slot]);
  expect([...perNode.values()]).toEqual([
    [0, 1],
    [0, 1, 2],
  ]);
  // Nothing is kept for a label without grace.
  launcher.reload(cluster.config(file(big, slots('max-parallel-jobs: 3, grace-time: 0'))));
  for (const job of jobs) await cluster.giveBack(job);
  await cluster.untilNodes(0);
});

test('a removed provider keeps what is in use and lets go of the rest', async () => {
  const launcher = await cluster.launch(file(big, slots('max-parallel-jobs: 1, grace-time: 1000')));
  await registered('cloud', 'slots');
  const [kept, empty] = [await take(), await take()];
  await cluster.giveBack(empty);
  await expect.poll(() => cluster.nodes().length, patience).toBe(3);
  launcher.reload(cluster.config(file(big)));
  await registered('cloud');
  await expect.poll(() => backing().map((node) => node.id), patience).toEqual([slotOf(kept).backingNode]);
  expect(cluster.nodesOf(kept)).toMatchObject([{ state: 'ready', allocatedTo: kept }]);
  await cluster.giveBack(kept);
  await cluster.untilNodes(0);
});

test('a provider that is removed while it waits for a backing node finishes that launch', async () => {
  const clock = new CloudClock();
  clock.standsStill = true;
  const launcher = await cluster.launch(
    file(big, slots('max-parallel-jobs: 1, grace-time: 0')),
    adaptersWith(clock.runtime),
  );
  const id = await cluster.submit({ nodeTypes: ['small'] });
  await expect.poll(() => backing()[0]?.externalId ?? null, patience).not.toBeNull();
  launcher.reload(cluster.config(file(big)));
  await registered('cloud');
  clock.standsStill = false;
  await cluster.untilState(id, 'fulfilled');
  await cluster.giveBack(id);
  await cluster.untilNodes(0);
  expect(askedFor()).toEqual([]);
});

test('a backing node that was just put to use is kept for who has asked for it', async () => {
  await cluster.stop();
  cluster = await Cluster.start();
  const { change } = BackingOperations.prototype;
  const looks = vi.spyOn(BackingView.prototype, 'owned');
  // The claim comes after others have looked at what may be released.
  const changes = vi.spyOn(BackingOperations.prototype, 'change').mockImplementation(async function (
    this: BackingOperations,
    ...args
  ) {
    const before = looks.mock.calls.length;
    // A node of the provider that goes has all of them looked at.
    const { client } = cluster.seen;
    const document = Buffer.from(JSON.stringify({ state: 'ready', provider: 'slots' }));
    const passing = await client.create('/nodepool/nodes/', document, { mode: 'persistent-sequential' });
    await expect
      .poll(() => cluster.seen.nodes.get(passing.path.slice('/nodepool/nodes/'.length)), patience)
      .toBeDefined();
    await client.delete(passing.path);
    await expect.poll(() => looks.mock.calls.length - before, patience).toBeGreaterThan(0);
    return change.apply(this, args);
  });
  onTestFinished(() => {
    looks.mockRestore();
    changes.mockRestore();
  });
  await cluster.launch(file(big, slots('max-parallel-jobs: 1, grace-time: 0', 'launch-retries: 1')));
  await registered('cloud', 'slots');
  const id = await take();
  expect(cluster.nodes().filter((node) => node.labels.includes('big'))).toMatchObject([
    { id: slotOf(id).backingNode, state: 'in-use' },
  ]);
  // It was the first one that was asked for.
  expect(askedFor()).toEqual([]);
  expect(changes.mock.calls.map(([node]) => node)).toEqual([slotOf(id).backingNode]);
});

test.each(['one launcher', 'two launchers'])(
  'a session that ends while a backing node is awaited: asked for anew, nothing is left over (%s)',
  async (which) => {
    const clock = new CloudClock();
    clock.standsStill = true;
    const create = adaptersWith(clock.runtime);
    const label = slots('max-parallel-jobs: 2, grace-time: 0');
    const launcher = await cluster.launch(file(big, label), create);
    await registered('cloud', 'slots');
    const ids = [
      await cluster.submit({ nodeTypes: ['small'] }),
      await cluster.submit({ nodeTypes: ['small'] }),
      await cluster.submit({ nodeTypes: ['small'] }),
    ];
    await expect.poll(() => askedFor().length, patience).toBe(2);
    if (which === 'two launchers') {
      await cluster.launch(file(big, label), create);
      await registered('cloud', 'cloud', 'slots', 'slots');
    }
    const before = new Set(askedFor().map(({ id }) => id));
    await cluster.lineOf(launcher).endSession();
    // Requests for backing nodes go with the session that made them.
    await expect.poll(() => askedFor().length, patience).toBe(0);
    cluster.lineOf(launcher).restore();
    await expect.poll(() => askedFor().filter(({ id }) => !before.has(id)).length, patience).toBeGreaterThan(0);
    const shared: string[] = [];
    onTestFinished(
      cluster.seen.nodes.onChange(() => {
        const users = cluster.nodes().flatMap((node) => {
          const use = node.state === 'ready' ? parseBackingUse(node.driverData) : null;
          return use ? [`${use.backingNode}/${use.slot}`] : [];
        });
        if (new Set(users).size < users.length) shared.push(users.join(' '));
      }),
    );
    clock.standsStill = false;
    for (const id of ids) await cluster.untilState(id, 'fulfilled');
    for (const id of ids) await cluster.giveBack(id);
    const left = () => cluster.nodes().filter((node) => !(node.state === 'ready' && node.allocatedTo === null));
    await expect.poll(left, patience).toEqual([]);
    expect(askedFor()).toEqual([]);
    expect(shared).toEqual([]);
  },
);
