/**
 * The launcher is killed with `kill -9` at named points in the life of requests, against a fake cloud in a process of its
 * own. A second launcher must then bring every request to its end; the cloud must hold nothing for which there is no node,
 * and no instance may be handed out twice.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isBroken } from '../../src/records/broken.ts';
import { encodeNode, type NodeRecord, parseNode, updateNode } from '../../src/records/node.ts';
import { encodeRequest, newRequest, parseRequest } from '../../src/records/request.ts';
import { systemRuntime } from '../../src/base/runtime.ts';
import { lock, type ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import type { KillPoint } from '../../src/base/kill-points.ts';
import { type Running, until, Workplace } from './support/programs.ts';

const points: readonly KillPoint[] = [
  'before-accept',
  'after-accept',
  'before-lock',
  'after-building',
  'before-create',
  'before-external-id',
  'after-external-id',
  'after-boot',
  'after-scan',
  'before-fulfil',
  'after-fulfil',
  'before-start-deleting',
  'after-deleting-written',
  'after-cloud-delete',
  'before-node-removed',
  'after-node-removed',
  'before-reuse',
  'after-reuse-lock',
  'before-decline',
  'after-decline',
];

const place = new Workplace();
const dataDir = `${place.directory}/data`;
let cloud: string;
let config: string;
let zk: ZooKeeper;
const handedOut = new Set<string>();

beforeAll(async () => {
  const server = place.start('nodepool', ['fake-cloud', '--port', '0']);
  cloud = await until(
    () => server.output(),
    () => /http:\/\/\S+/.exec(server.output())?.[0],
  );
  config = place.file(
    'nodepool.yaml',
    `
zookeeper-timeout: 2.0
coordinator: {data-dir: ${dataDir}}
labels:
  - name: plain
  - name: warm
    min-ready: 1
providers:
  - name: shared
    driver: fake
    cloud: fake
    fake-cloud: {address: '${cloud}'}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools:
      - name: main
        max-servers: 20
        labels:
          - {name: plain, cloud-image: image, min-ram: 1024}
          - {name: warm, cloud-image: image, min-ram: 1024}
`,
  );
  const coordinator = place.start('nodepool', ['-c', config, 'coordinator']);
  await until(
    () => coordinator.output(),
    () => readAddress(dataDir),
  );
  zk = place.client(dataDir);
  await zk.ensurePath('/nodepool/requests');
});

const launchers: Running[] = [];

afterEach(async () => {
  for (const one of launchers) one.process.kill('SIGKILL');
  await Promise.all(launchers.splice(0).map((one) => one.ended));
});

afterAll(() => place.clear());

async function submit(labels: readonly string[]): Promise<string> {
  const document = newRequest({ nodeTypes: labels, requestor: 'test' }, Date.now());
  const made = await zk.create('/nodepool/requests/200-', encodeRequest(document), { mode: 'persistent-sequential' });
  return made.path.slice('/nodepool/requests/'.length);
}

async function state(id: string) {
  const request = parseRequest(id, (await zk.get(`/nodepool/requests/${id}`)).data);
  return isBroken(request) ? null : request;
}

const ended = (id: string) => async () => {
  const request = await state(id);
  return request && (request.state === 'fulfilled' || request.state === 'failed') ? request : null;
};

async function nodes(): Promise<NodeRecord[]> {
  const ids = await zk.children('/nodepool/nodes').then(
    (answer) => answer.children,
    () => [],
  );
  const read = await Promise.all(
    ids.map((id) =>
      zk.get(`/nodepool/nodes/${id}`).then(
        ({ data }) => parseNode(id, data),
        () => null,
      ),
    ),
  );
  return read.filter((node): node is NodeRecord => node !== null && !isBroken(node));
}

async function servers(): Promise<{ id: string }[]> {
  return (await (await fetch(`${cloud}/accounts/shared/servers`)).json()) as { id: string }[];
}

/** What a consumer does with a fulfilled request. */
async function consume(id: string): Promise<void> {
  const request = (await state(id))!;
  for (const nodeId of request.nodes) {
    const held = await lock({
      client: zk,
      runtime: systemRuntime,
      path: `/nodepool/nodes/${nodeId}/lock`,
      createParents: false,
    });
    if (held.result !== 'acquired') throw new Error(`node ${nodeId}: ${held.result}`);
    const { data } = await zk.get(`/nodepool/nodes/${nodeId}`);
    const node = parseNode(nodeId, data);
    if (isBroken(node)) throw new Error(node.message);
    expect(node).toMatchObject({ state: 'ready', allocatedTo: id });
    expect(handedOut.has(String(node.externalId))).toBe(false);
    handedOut.add(String(node.externalId));
    await zk.set(`/nodepool/nodes/${nodeId}`, encodeNode(updateNode(node, { state: 'used' }, Date.now())));
    await held.lock.release();
  }
  await zk.delete(`/nodepool/requests/${id}`);
}

function launcher(killAt?: string): Running {
  const running = place.start('nodepool', ['-c', config, 'launcher'], {
    NODEPOOL_TEST_CLEANUP_INTERVAL: '1',
    ...(killAt === undefined ? {} : { NODEPOOL_TEST_KILL_POINT: killAt }),
  });
  launchers.push(running);
  return running;
}

describe('after kill -9', () => {
  test.each(points)('%s', async (point) => {
    const first = launcher(point);
    const ids = [
      await submit(['plain']),
      await submit(['warm']),
      await submit(['plain', 'plain']),
      await submit(['nothing-serves-this']),
    ];
    // Deletion points are reached once something is returned.
    const returned = (async () => {
      for (const id of ids.slice(0, 3)) {
        const answer = await until(
          () => id,
          async () => (await ended(id)()) ?? first.process.exitCode ?? first.process.signalCode,
        ).catch(() => null);
        if (typeof answer === 'object' && answer?.state === 'fulfilled') await consume(id);
      }
    })();
    await until(
      () => `killed at ${point}:\n${first.output()}`,
      () => first.process.signalCode === 'SIGKILL',
    );
    await returned;

    const second = launcher();
    for (const id of ids) {
      const left = await zk.exists(`/nodepool/requests/${id}`);
      if (!left) continue;
      const request = await until(() => `${id} ended:\n${second.output()}`, ended(id));
      if (id === ids[3]) expect(request.state).toBe('failed');
      if (request.state === 'fulfilled') await consume(id);
      else await zk.delete(`/nodepool/requests/${id}`);
    }
    let seen = '';
    // Only nodes kept in stock remain, and the cloud holds what the records say.
    await until(
      () => `nothing left over: ${seen}\n${second.output().slice(-2000)}`,
      async () => {
        const records = await nodes();
        seen = JSON.stringify(records.map((n) => [n.id, n.state, n.labels, n.allocatedTo, n.externalId]));
        const known = records.map((node) => node.externalId).sort();
        const there = (await servers()).map((server) => server.id).sort();
        return (
          records.every((n) => n.state === 'ready' && n.labels[0] === 'warm' && n.allocatedTo === null) &&
          JSON.stringify(known) === JSON.stringify(there)
        );
      },
    );
    second.process.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  });
});
