/**
 * A Kubernetes API server that stands still (SIGSTOP) for a minute while pods are launched, deleted and watched, by `nodepool-launcher`
 * with a second provider beside it. Needs a built checkout and the cluster of test/partners/testbeds/kubernetes (KUBECONFIG).
 * Usage: node --import ./test/run-typescript.mjs test/long/api-server-pause.ts [SECONDS]
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemRuntime } from '../../src/base/runtime.ts';
import { readHealth } from '../../src/store/transactions/health.ts';
import { Operations } from '../../src/store/transactions/operations.ts';
import { isBroken } from '../../src/records/broken.ts';
import { LauncherBeside } from '../kubernetes/support/beside.ts';
import { TestCluster, uniqueName } from '../kubernetes/support/cluster.ts';

const seconds = Number(process.argv[2] ?? 60);
const kube = new TestCluster();
const pool = uniqueName('pool');
await kube.podProject(pool, ['create', 'get', 'list', 'delete', 'watch']);
const server = Number(readFileSync(join(dirname(kube.kubeconfig), 'run', 'kube-apiserver.pid'), 'utf8').split(' ')[0]);
const kubeconfig = await kube.configFor(kube.server, await kube.administrator());
const beside = await LauncherBeside.start(
  'ours',
  `
labels: [{name: small}, {name: other}]
providers:
  - name: cluster
    driver: openshiftpods
    context: openshiftpods
    pools: [{name: ${pool}, labels: [{name: small, image: some/image}]}]
  - name: neighbour
    driver: fake
    cloud: fake
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, labels: [{name: other, cloud-image: image, min-ram: 1, host-key-checking: false}]}]
`,
  kubeconfig.path,
);
const operations = new Operations(beside.store);

const now = () => systemRuntime.monotonicMs();
const say = (text: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);

async function until(what: string, check: () => boolean | Promise<boolean>, limitMs = 180_000): Promise<number> {
  const started = now();
  while (!(await check())) {
    if (now() - started > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Math.round(now() - started) / 1000;
}

async function submit(label: string): Promise<string> {
  return (await operations.createRequest({ requestor: 'test', nodeTypes: [label] }, '200', { ephemeral: false })).id;
}
const stateOf = (id: string) => {
  const request = beside.store.requests.get(id)?.request;
  return request && !isBroken(request) ? request.state : null;
};
const fulfilled = (id: string) => until(`request ${id} is fulfilled`, () => stateOf(id) === 'fulfilled');
const pods = () => beside.nodes().filter(({ provider }) => provider === 'cluster');

await until(
  'both providers serve',
  () => new Set([...beside.store.components.pools()].map((one) => one.providerName)).size === 2,
);
const before = await Promise.all(Array.from({ length: 20 }, () => submit('small')));
await Promise.all(before.map(fulfilled));
const identities = new Map(pods().map(({ id, externalId }) => [id, externalId]));

process.kill(server, 'SIGSTOP');
say(`the API server (${server}) stands still`);
const stopped = now();
let waiting: string[];
const neighbour: number[] = [];
const words = new Set<string>();
try {
  // Half of the nodes are used up meanwhile, and as many new ones are asked for.
  await Promise.all(
    [...identities.keys()].slice(0, 10).map(async (id) => {
      const held = await operations.lockNode(id, { expect: (node) => node.state === 'ready' });
      if (!held.ok) throw new Error(held.reason);
      await held.node.write({ state: 'used' });
      await held.node.release();
    }),
  );
  waiting = await Promise.all(Array.from({ length: 10 }, () => submit('small')));
  while (now() - stopped < seconds * 1000) {
    const started = now();
    await fulfilled(await submit('other'));
    neighbour.push(now() - started);
    for (const { record } of await readHealth(beside.store)) {
      for (const { what, why } of record?.troubles ?? []) if (what.includes('cluster')) words.add(`${what}: ${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
} finally {
  process.kill(server, 'SIGCONT');
}
say(`it goes on after ${Math.round((now() - stopped) / 1000)} s`);
await Promise.all(waiting.map(fulfilled));
const served = Math.round(now() - stopped) / 1000 - seconds;
const gone = await until('what was used up is gone', () => pods().length === 20);
const kept = pods().filter(({ id, externalId }) => identities.get(id) === externalId).length;
const inCluster = (await kube.pods(pool)).length;
neighbour.sort((a, b) => a - b);
console.log(
  JSON.stringify(
    {
      seconds,
      waitingServedAfterSeconds: Math.round(served * 1000) / 1000,
      usedGoneAfterSeconds: gone,
      nodesKept: kept,
      podsInCluster: inCluster,
      neighbourRequests: neighbour.length,
      neighbourSlowestMs: Math.round(neighbour.at(-1) ?? 0),
      doctorSaid: [...words],
    },
    null,
    2,
  ),
);
const held =
  kept === 10 && inCluster === 20 && [...waiting].every((id) => stateOf(id) === 'fulfilled') && words.size > 0;
await beside.stop();
await kubeconfig.remove();
await kube.removeNamespace(pool);
say(held ? 'held' : 'BROKEN');
process.exit(held ? 0 : 1);
