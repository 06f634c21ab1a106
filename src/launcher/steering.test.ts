/** What a cloud has refused is not asked for again at once: another zone, another pool, or a pause; and limits on turns. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Adapter, LaunchSpec } from '../driver-kit/contract.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import { Cluster, type CreateAdapter, createAdapter, fakeProvider } from './testing/cluster.ts';

let cluster: Cluster;
/** What was asked of each provider's cloud. */
let asked: { readonly provider: string; readonly label: string; readonly zone: string | null; atMs: number }[];

beforeEach(async () => {
  cluster = await Cluster.start();
  asked = [];
});
afterEach(() => cluster.stop());

const label = (name: string, more = '') => `{name: ${name}, cloud-image: image, min-ram: 1024${more}}`;
const pool = (labels: string, more = '', name = 'main') => `{name: ${name}, ${more} labels: [${labels}]}`;
const file = (...providers: string[]) => `labels: [{name: a}, {name: b}]\nproviders: ${providers.join('')}\n`;
const quick = 'launch-retries: 3';
const provider = (name: string, pools: string, more = '') =>
  fakeProvider(name, `[${pools}]`, more).replace('launch-retries: 1', quick);

/** The fake cloud, but `refuse` is asked first, each time that an instance is to be created. */
function refusing(refuse: (spec: LaunchSpec, provider: string) => ProviderError | null): CreateAdapter {
  return async (config, backing) => {
    const adapter = await createAdapter(config, backing);
    const advance: Adapter['advanceCreate'] = adapter.advanceCreate.bind(adapter);
    let begun = new WeakSet<LaunchSpec>();
    adapter.advanceCreate = (state, spec, context) => {
      if (!begun.has(spec)) {
        begun = begun.add(spec);
        const zone = spec.availabilityZone;
        asked.push({ provider: config.name, label: spec.label.name, zone, atMs: performance.now() });
        const error = refuse(spec, config.name);
        if (error) return Promise.reject(error);
      }
      return advance(state, spec, context);
    };
    return adapter;
  };
}

test('a zone without capacity: the next attempt is made in another one, and so are the next nodes', async () => {
  const full = refusing(({ availabilityZone }) =>
    availabilityZone === 'az1' ? new ProviderError('capacity', 'no hosts') : null,
  );
  await cluster.launch(file(provider('cloud', pool(label('a')))), full);
  for (let n = 0; n < 12; n++) await cluster.untilState(await cluster.submit({ nodeTypes: ['a'] }), 'fulfilled');
  expect(new Set(cluster.nodes().map((node) => node.az))).toEqual(new Set(['az2']));
  // At random at first; within the two seconds for which it is remembered never again.
  const inFull = asked.filter(({ zone }) => zone === 'az1').map(({ atMs }) => atMs);
  for (const [n, atMs] of inFull.entries()) if (n > 0) expect(atMs - inFull[n - 1]!).toBeGreaterThan(1900);
});

test('nodes of one request stay in one zone, also when it has to be another one', async () => {
  const full = refusing(({ availabilityZone }) =>
    availabilityZone === 'az1' ? new ProviderError('capacity', 'no hosts') : null,
  );
  await cluster.launch(file(provider('cloud', pool(label('a')))), full);
  const ids = await Promise.all([1, 2, 3, 4].map(() => cluster.submit({ nodeTypes: ['a', 'a', 'a'] })));
  for (const id of ids) {
    await cluster.untilState(id, 'fulfilled');
    expect(new Set(cluster.nodesOf(id).map((node) => node.az))).toEqual(new Set(['az2']));
  }
});

test('a provider without capacity gives way to one of lower priority, and is tried again later', async () => {
  let isFull = true;
  const full = refusing((_spec, name) =>
    name === 'first' && isFull ? new ProviderError('capacity', 'no hosts') : null,
  );
  await cluster.launch(
    file(provider('first', pool(label('a')), 'priority: 1'), provider('second', pool(label('a')), 'priority: 2')),
    full,
  );
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => asked.length).toBeGreaterThan(1);
  const second = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(second, 'fulfilled');
  expect(cluster.nodesOf(second)[0]!.provider).toBe('second');
  isFull = false;
  await cluster.untilState(first, 'fulfilled');
  expect(cluster.nodesOf(first)[0]!.provider).toBe('first');
  const third = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(third, 'fulfilled');
  expect(cluster.nodesOf(third)[0]!.provider).toBe('first');
});

test('a quota that turns out to be used up: a few tries with growing pauses, served when it has room, never failed', async () => {
  let isFull = true;
  const full = refusing(() => (isFull ? new ProviderError('quota', 'Quota exceeded for cores') : null));
  await cluster.launch(file(provider('cloud', pool(label('a')))), full);
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => asked.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
  expect(cluster.request(id)!.state).toBe('pending');
  expect(asked[1]!.atMs - asked[0]!.atMs).toBeGreaterThan(450);
  expect(asked[2]!.atMs - asked[1]!.atMs).toBeGreaterThan(900);
  isFull = false;
  await cluster.untilState(id, 'fulfilled');
  expect(asked.length).toBeLessThan(7);
});

test('a request that waits for volumes keeps back those that need some, and no others', async () => {
  const labels = [label('a'), label('b', ', boot-from-volume: true')].join(', ');
  await cluster.launch(file(provider('cloud', pool(labels, 'max-volumes: 1,'))));
  const holding = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(holding, 'fulfilled');
  const waiting = await cluster.submit({ nodeTypes: ['b'] });
  await cluster.untilState(waiting, 'pending');
  const behind = await cluster.submit({ nodeTypes: ['a', 'b'] }, '100');
  for (let n = 0; n < 3; n++) await cluster.untilState(await cluster.submit({ nodeTypes: ['a'] }, '300'), 'fulfilled');
  expect([cluster.request(waiting)!.state, cluster.request(behind)!.state]).toEqual(['pending', 'requested']);
  await cluster.giveBack(holding);
  await cluster.untilState(waiting, 'fulfilled');
  await cluster.giveBack(waiting);
  await cluster.untilState(behind, 'fulfilled');
});

test('with label a at the limit of its own flavour, label b goes on', async () => {
  const full = refusing(({ label: { name } }) =>
    name === 'a' ? new ProviderError('quota', 'Quota exceeded for GPUs') : null,
  );
  await cluster.launch(file(provider('cloud', pool([label('a'), label('b')].join(', ')))), full);
  const waiting = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(waiting, 'pending');
  await expect.poll(() => asked.length).toBeGreaterThan(0);
  for (let n = 0; n < 3; n++) await cluster.untilState(await cluster.submit({ nodeTypes: ['b'] }), 'fulfilled');
  expect(cluster.request(waiting)!.state).toBe('pending');
});

test('max-concurrency holds over requests, over pools and within one request', async () => {
  const pools = [pool(label('a')), pool(label('b'), '', 'other')].join(', ');
  const underWay = new Set<LaunchSpec>();
  let most = 0;
  const counting: CreateAdapter = async (config, backing) => {
    const adapter = await createAdapter(config, backing);
    const advance: Adapter['advanceCreate'] = adapter.advanceCreate.bind(adapter);
    adapter.advanceCreate = async (state, spec, context) => {
      underWay.add(spec);
      most = Math.max(most, underWay.size);
      const step = await advance(state, spec, context);
      if (step.done) underWay.delete(spec);
      return step;
    };
    return adapter;
  };
  await cluster.launch(
    file(provider('cloud', pools, 'max-concurrency: 2\n    fake-cloud: {boot-delay: 0.05}')),
    counting,
  );
  const ids = [
    await cluster.submit({ nodeTypes: ['a', 'a', 'a', 'a', 'a'] }),
    await cluster.submit({ nodeTypes: ['b', 'b'] }),
    await cluster.submit({ nodeTypes: ['a'] }),
    await cluster.submit({ nodeTypes: ['b'] }),
  ];
  for (const id of ids) await cluster.untilState(id, 'fulfilled');
  expect(most).toBe(2);
});
