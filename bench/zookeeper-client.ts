/** Pipelined creates a second. Usage: node --import ./test/run-typescript.mjs bench/zookeeper-client.ts HOST:PORT [COUNT] [WINDOW] */
import { systemRuntime } from '../src/base/runtime.ts';
import { createZooKeeper, parseConnectString } from '@nodepool/zookeeper';

const [hosts = '127.0.0.1:2181', countText = '20000', windowText = '1000'] = process.argv.slice(2);
const count = Number(countText);
const zk = createZooKeeper({ ...parseConnectString(hosts), sessionTimeoutMs: 30_000 });
const root = `/bench-${systemRuntime.randomHex(8)}`;
const data = Buffer.alloc(100, 'x');
await zk.waitConnected({ timeoutMs: 10_000 });
await zk.create(root, Buffer.alloc(0));
const cpu = process.cpuUsage();
const started = systemRuntime.monotonicMs();
let next = 0;
const worker = async () => {
  while (next < count) await zk.create(`${root}/${next++}`, data);
};
await Promise.all(Array.from({ length: Number(windowText) }, worker));
const seconds = (systemRuntime.monotonicMs() - started) / 1000;
const used = process.cpuUsage(cpu);
process.stdout.write(
  `${JSON.stringify({
    client: 'nodepool',
    count,
    perSecond: Math.round(count / seconds),
    cpuMicrosecondsEach: Math.round((used.user + used.system) / count),
  })}\n`,
);
await zk.close();
