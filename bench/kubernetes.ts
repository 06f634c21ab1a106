/**
 * Containers of a real API server, launched as stock and deleted, by our launcher or the Python one: time, CPU, memory, and
 * calls of the API server (with `--count-calls`, through a proxy that slows both alike). Needs a built checkout, Apache
 * ZooKeeper, the cluster of ../shared/testbeds/kubernetes in KUBECONFIG, and NODEPOOL_TEST_PEER for the Python side.
 * Usage: node --import ./test/run-typescript.mjs bench/kubernetes.ts ours|peer openshiftpods|kubernetes COUNT [--count-calls]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isBroken } from '../src/records/broken.ts';
import { systemRuntime } from '../src/runtime.ts';
import { Operations } from '../src/store/operations.ts';
import { Store } from '../src/store/store.ts';
import { createZooKeeper } from '../src/zookeeper/client/client.ts';
import { freePorts, startApache } from '../src/zookeeper/testing/apache.ts';
import { TestCluster } from '../test/kubernetes/support/cluster.ts';
import { load } from './support/bed.ts';

const [side, driver, wanted, counting] = process.argv.slice(2);
const count = Number(wanted);
const ticksPerSecond = 100;
const limitMs = 1_800_000;

const kube = new TestCluster();
const proxy = counting === '--count-calls' ? await kube.proxy() : null;
const directory = mkdtempSync(join(tmpdir(), 'bench-kubernetes-'));
const apache = await startApache(1);
const { plain, secure } = apache.servers[0]!;
const kubeconfig = await kube.configFor(proxy?.url ?? kube.server, await kube.administrator());

const file = (name: string, text: string | Buffer) => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
const { ca, cert, key } = apache.tls;
const tls = `{ca: ${file('ca.pem', String(ca))}, cert: ${file('cert.pem', String(cert))}, key: ${file('key.pem', String(key))}}`;
const [webPort] = await freePorts(1);
const label = driver === 'kubernetes' ? '{name: small, type: namespace}' : '{name: small, image: some/image}';
const pool = driver === 'kubernetes' ? 'bench' : 'pods-one';
const config = (stock: number) => `
zookeeper-servers: [{host: 127.0.0.1, port: ${secure.port}}]
zookeeper-tls: ${tls}
webapp: {port: ${webPort}, listen_address: 127.0.0.1}
labels: [{name: small, min-ready: ${stock}}]
providers:
  - {name: bench, driver: ${driver}, context: admin, pools: [{name: ${pool}, labels: [${label}]}]}
`;

const program =
  side === 'ours'
    ? new URL('../bin/nodepool-launcher', import.meta.url).pathname
    : `${process.env['NODEPOOL_TEST_PEER']}-launcher`;
const path = file('nodepool.yaml', config(0));
const env = { ...process.env, KUBECONFIG: kubeconfig.path };
const launcher = spawn(program, [side === 'ours' ? '-f' : '-d', '-c', path], {
  env,
  stdio: ['ignore', 'ignore', 'ignore'],
});

const client = createZooKeeper({ servers: [plain], runtime: systemRuntime });
const store = await Store.open({ client, runtime: systemRuntime, log: console });
const operations = new Operations(store);

const cpuSeconds = () => {
  const fields = readFileSync(`/proc/${launcher.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};
const residentMiB = () => (Number(readFileSync(`/proc/${launcher.pid}/statm`, 'utf8').split(' ')[1]) * 4096) / 2 ** 20;
const states = () => [...store.nodes.all()].flatMap(({ node }) => (node && !isBroken(node) ? [node] : []));

async function until(check: () => boolean | Promise<boolean>): Promise<number> {
  const started = performance.now();
  while (!(await check())) {
    if (performance.now() - started > limitMs) throw new Error('it took too long');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Math.round(performance.now() - started) / 1000;
}

await until(() => [...store.components.pools()].length > 0);
const loadBefore = load();
const [cpuAtStart, callsAtStart] = [cpuSeconds(), proxy?.calls.length ?? 0];
writeFileSync(path, config(count));
const readySeconds = await until(() => states().filter((node) => node.state === 'ready').length >= count);
const [cpuReady, memory] = [cpuSeconds(), residentMiB()];
const callsReady = proxy?.calls.length ?? 0;
writeFileSync(path, config(0));
// The Python launcher looks at its file once a second.
await new Promise((resolve) => setTimeout(resolve, 3000));
const [cpuBefore, callsBefore] = [cpuSeconds(), proxy?.calls.length ?? 0];
await Promise.all(
  states().map(async ({ id }) => {
    const held = await operations.lockNode(id, { expect: (node) => node.state === 'ready' });
    if (!held.ok) return;
    await held.node.write({ state: 'used' });
    await held.node.release();
  }),
);
const goneSeconds = await until(() => states().length === 0);
const perNode = (calls: number) => Math.round((calls / count) * 10) / 10;
console.log(
  JSON.stringify({
    side,
    driver,
    count,
    readySeconds,
    readyCpuSeconds: Math.round((cpuReady - cpuAtStart) * 100) / 100,
    residentMiB: Math.round(memory),
    goneSeconds,
    goneCpuSeconds: Math.round((cpuSeconds() - cpuBefore) * 100) / 100,
    ...(proxy
      ? { callsToReady: perNode(callsReady - callsAtStart), callsToGone: perNode(proxy.calls.length - callsBefore) }
      : {}),
    load: [loadBefore, load()],
  }),
);
launcher.kill('SIGKILL');
await store.close();
await client.close();
await proxy?.close();
await apache.close();
await kubeconfig.remove();
rmSync(directory, { recursive: true, force: true });
process.exit(0);
