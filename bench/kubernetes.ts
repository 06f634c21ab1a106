/**
 * Containers of a real API server, launched as stock and deleted, by our launcher or the Python one: time, CPU, memory, and
 * calls of the API server (with `--count-calls`, through a proxy that slows both alike). Needs a built checkout, Apache
 * ZooKeeper, the cluster of test/partners/testbeds/kubernetes in KUBECONFIG, and NODEPOOL_TEST_PEER for the Python side.
 * Usage: node --import ./test/run-typescript.mjs bench/kubernetes.ts ours|peer openshiftpods|kubernetes COUNT [--count-calls]
 */
import { LauncherBeside, type Side } from '../test/kubernetes/support/beside.ts';
import { TestCluster } from '../test/kubernetes/support/cluster.ts';
import { cpuSecondsOf, load, residentMiBOf } from './support/bed.ts';

const [side, driver, wanted, counting] = process.argv.slice(2);
const count = Number(wanted);
const limitMs = 1_800_000;

const kube = new TestCluster();
const proxy = counting === '--count-calls' ? await kube.proxy() : null;
const kubeconfig = await kube.configFor(proxy?.url ?? kube.server, await kube.administrator());
const label = driver === 'kubernetes' ? '{name: small, type: namespace}' : '{name: small, image: some/image}';
const pool = driver === 'kubernetes' ? 'bench' : 'pods-one';
const config = (stock: number) => `
labels: [{name: small, min-ready: ${stock}}]
providers: [{name: bench, driver: ${driver}, context: admin, pools: [{name: ${pool}, labels: [${label}]}]}]
`;

async function until(check: () => boolean): Promise<number> {
  const started = performance.now();
  while (!check()) {
    if (performance.now() - started > limitMs) throw new Error('it took too long');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return Math.round(performance.now() - started) / 1000;
}

const beside = await LauncherBeside.start(side as Side, config(0), kubeconfig.path);
const pid = beside.running.process.pid!;
const calls = () => proxy?.calls.length ?? 0;
const perNode = (n: number) => Math.round((n / count) * 10) / 10;
const hundredths = (n: number) => Math.round(n * 100) / 100;

await until(() => [...beside.store.components.pools()].length > 0);
const loadBefore = load();
const start = { cpu: cpuSecondsOf(pid), calls: calls() };
beside.configure(config(count));
const readySeconds = await until(() => beside.nodes().filter((node) => node.state === 'ready').length >= count);
const ready = { cpu: cpuSecondsOf(pid), calls: calls(), residentMiB: residentMiBOf(pid) };
beside.configure(config(0));
// The Python launcher looks at its file once a second.
await new Promise((resolve) => setTimeout(resolve, 3000));
const used = { cpu: cpuSecondsOf(pid), calls: calls() };
await beside.useUp();
const goneSeconds = await until(() => beside.nodes().length === 0);
console.log(
  JSON.stringify({
    ...{ side, driver, count, readySeconds, goneSeconds },
    readyCpuSeconds: hundredths(ready.cpu - start.cpu),
    goneCpuSeconds: hundredths(cpuSecondsOf(pid) - used.cpu),
    residentMiB: Math.round(ready.residentMiB),
    ...(proxy ? { callsToReady: perNode(ready.calls - start.calls), callsToGone: perNode(calls() - used.calls) } : {}),
    load: [loadBefore, load()],
  }),
);
await beside.stop();
await proxy?.close();
await kubeconfig.remove();
process.exit(0);
