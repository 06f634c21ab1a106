/**
 * Static hosts, and slots on them, change hands between the Python launcher and ours and back, and both work at once on one
 * tree. What one has left, in order or by `kill -9`, the other goes on with.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseBackingUse } from '../../src/records/backing.ts';
import { isBroken } from '../../src/records/broken.ts';
import type { NodeRecord } from '../../src/records/node.ts';
import { systemRuntime } from '../../src/base/runtime.ts';
import { type HeldNode, Operations } from '../../src/store/transactions/operations.ts';
import { Store } from '../../src/store/mirrors/store.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { type Running, until, Workplace } from './support/programs.ts';
import { python, pythonIsThere } from './support/python.ts';

const patience = { timeout: 40_000, interval: 25 };
const log = { warn() {}, error() {} };

let place: Workplace;
let certificates: string;
let coordinator: Coordinator;
let client: ZooKeeper;
let store: Store;
let consumer: Operations;

beforeEach(async () => {
  pythonIsThere();
  place = new Workplace();
  certificates = join(place.directory, 'certificates');
  await makeCertificates(certificates);
  const file = (name: string) => join(certificates, name);
  coordinator = await startCoordinator({
    dataDir: join(place.directory, 'data'),
    tlsPort: 0,
    tls: { cert: file('server.pem'), key: file('server.key'), ca: file('ca.pem') },
    runtime: systemRuntime,
  });
  client = createZooKeeper({ servers: [{ host: '127.0.0.1', port: coordinator.address.port! }] });
  store = await Store.open({ client, runtime: systemRuntime, log });
  consumer = new Operations(store);
});
afterEach(async () => {
  await place.clear();
  await store.close();
  await client.close();
  await coordinator.close();
});

const rack = (name: string) => `
  - name: ${name}
    driver: static
    pools: [{name: main, nodes: [{name: fake-${name}-1, labels: [big]}, {name: fake-${name}-2, labels: [big, host]}]}]`;
const slots = `
  - name: slots
    driver: metastatic
    pools: [{name: main, labels: [{name: small, backing-label: big, max-parallel-jobs: 2, grace-time: 2}]}]`;

function config(name: string, ...providers: string[]): string {
  return place.file(
    name,
    `zookeeper-servers: [{host: localhost, port: ${coordinator.address.tlsPort!}}]
zookeeper-tls: {cert: ${certificates}/client.pem, key: ${certificates}/client.key, ca: ${certificates}/ca.pem}
zookeeper-timeout: 4.0
labels: [{name: big}, {name: host}, {name: small}]
providers: ${providers.join('')}
`,
  );
}

type Kind = 'Python' | 'ours';
const quick = {
  NODEPOOL_TEST_CLEANUP_INTERVAL: '1',
  NODEPOOL_TEST_DELETE_INTERVAL: '1',
  NODEPOOL_TEST_WATERMARK_SLEEP: '1',
};

async function start(kind: Kind, file: string, pools: number): Promise<Running> {
  const before = [...store.components.pools()].length;
  const [interpreter, ...launcher] = python('launcher');
  const running =
    kind === 'ours'
      ? place.start('nodepool-launcher', ['-f', '-c', file], quick)
      : place.spawn(interpreter, [...launcher, '-d', '-c', file, '--no-webapp'], quick);
  await until(
    () => `${kind} is up:\n${running.output().slice(-4000)}`,
    () => [...store.components.pools()].length - before === pools,
    patience.timeout,
  );
  return running;
}

async function end(running: Running, how: NodeJS.Signals): Promise<void> {
  running.process.kill(how);
  await running.ended;
  await expect.poll(() => [...store.components.pools()].length, patience).toBe(0);
}

const nodes = (): NodeRecord[] => [...store.nodes.all()].flatMap(({ node }) => (node && !isBroken(node) ? [node] : []));
const free = () => nodes().filter((node) => node.state === 'ready' && node.allocatedTo === null);
const hosts = (some: readonly NodeRecord[]) => some.map((node) => node.hostname).sort();

class Job {
  readonly id: string;
  private held: HeldNode[] = [];

  constructor(id: string) {
    this.id = id;
  }

  static async ask(...nodeTypes: string[]): Promise<Job> {
    const fields = { nodeTypes, requestor: 'test', state: 'requested' } as const;
    return new Job((await consumer.createRequest(fields, '200', { ephemeral: false })).id);
  }

  get state(): string | undefined {
    const request = store.requests.get(this.id)?.request;
    return request && !isBroken(request) ? request.state : undefined;
  }

  get node(): NodeRecord {
    return this.held[0]!.node;
  }

  /** Waits for its nodes and puts them to use, as a consumer does. */
  async begin(): Promise<this> {
    await expect.poll(() => this.state, { ...patience, message: `request ${this.id}` }).toBe('fulfilled');
    const request = store.requests.get(this.id)!.request;
    if (isBroken(request)) throw new Error(request.message);
    for (const nodeId of request.nodes) {
      const expected = { expect: (node: NodeRecord) => node.state === 'ready' && node.allocatedTo === this.id };
      let locked = await consumer.lockNode(nodeId, expected);
      while (!locked.ok && locked.reason === 'locked') locked = await consumer.lockNode(nodeId, expected);
      if (!locked.ok) throw new Error(`node ${nodeId}: ${locked.reason}`);
      await locked.node.write({ state: 'in-use' });
      this.held.push(locked.node);
    }
    await consumer.deleteRequest(this.id);
    return this;
  }

  async finish(): Promise<void> {
    for (const node of this.held.splice(0)) {
      await node.write({ state: 'used' });
      await node.release();
    }
  }
}

const job = async (...nodeTypes: string[]) => (await Job.ask(...nodeTypes)).begin();

test.each([
  ['Python', 'ours', 'SIGINT'],
  ['Python', 'ours', 'SIGKILL'],
  ['ours', 'Python', 'SIGINT'],
  ['ours', 'Python', 'SIGKILL'],
] as const)('hosts and slots of %s are taken over by %s after %s', async (first, second, how) => {
  const file = config('nodepool.yaml', rack('rack'), slots);
  const wrong: string[] = [];
  store.nodes.onChange(() => {
    const seen = new Set<string>();
    for (const node of nodes()) {
      if (node.provider !== 'rack' || node.state === 'deleting' || node.state === 'deleted') continue;
      const slot = `${node.hostname}/${node.slot}`;
      if (seen.has(slot)) wrong.push(`${slot} twice, node ${node.id}`);
      seen.add(slot);
    }
  });
  let launcher = await start(first, file, 2);
  await expect.poll(() => hosts(free()), patience).toEqual(['fake-rack-1', 'fake-rack-2']);
  const direct = await job('host');
  const one = await job('small');
  await end(launcher, how);

  launcher = await start(second, file, 2);
  const two = await job('small');
  // On the same host, in its other slot.
  const [below, other] = [parseBackingUse(one.node.driverData)!, parseBackingUse(two.node.driverData)!];
  expect(other.backingNode).toBe(below.backingNode);
  expect(new Set([below.slot, other.slot])).toEqual(new Set([0, 1]));
  // Everything is in use; what comes back is registered anew by whoever runs now.
  const waiting = await Job.ask('host');
  await direct.finish();
  await (await waiting.begin()).finish();
  await one.finish();
  await two.finish();
  await expect
    .poll(
      () =>
        nodes()
          .map((node) => `${node.provider} ${node.hostname} ${node.state}`)
          .sort(),
      patience,
    )
    .toEqual(['rack fake-rack-1 ready', 'rack fake-rack-2 ready']);
  await end(launcher, 'SIGINT');
  expect(hosts(free())).toEqual(['fake-rack-1', 'fake-rack-2']);
  expect(wrong).toEqual([]);
});

test('both at once, each with hosts of its own for the same labels: every request is served once, also when one dies', async () => {
  await start('Python', config('python.yaml', rack('theirs')), 1);
  const ours = await start('ours', config('ours.yaml', rack('ours')), 1);
  const all = ['fake-ours-1', 'fake-ours-2', 'fake-theirs-1', 'fake-theirs-2'];
  await expect.poll(() => hosts(free()), patience).toEqual(all);
  const inUse = new Set<string>();
  const served = new Map<string, number>();
  const work = async (label: string) => {
    const one = await job(label);
    const { id, provider } = one.node;
    expect(inUse.has(id)).toBe(false);
    inUse.add(id);
    served.set(provider!, (served.get(provider!) ?? 0) + 1);
    await one.finish();
  };
  const round = () => Promise.all(Array.from({ length: 12 }, (_, i) => work(i % 3 === 0 ? 'host' : 'big')));
  await round();
  ours.process.kill('SIGKILL');
  await ours.ended;
  // What it had accepted is reset when its session is over, and served by the other one or by its successor.
  const rest = round();
  await expect.poll(() => [...store.components.pools()].length, patience).toBe(1);
  await start('ours', config('ours.yaml', rack('ours')), 1);
  await rest;
  expect(inUse.size).toBe(24);
  expect([...served.keys()].sort()).toEqual(['ours', 'theirs']);
  await expect.poll(() => hosts(free()), patience).toEqual(all);
  expect([...store.requests.all()]).toEqual([]);
});
