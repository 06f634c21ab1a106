/**
 * Durable writes a second of the embedded coordinator, beside other servers: pipelined creates of 100 bytes by several
 * clients, in turns on the same machine and disk. A coordinator is started in DIRECTORY; other servers are named with ports.
 * Usage: node --import ./test/run-typescript.mjs bench/coordinator-writes.ts DIRECTORY [NAME=PORT …]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createFlags, opCode } from '@nodepool/zookeeper/internal/protocol/constants';
import { writeCreate } from '@nodepool/zookeeper/internal/protocol/messages/create';
import { openAcl } from '@nodepool/zookeeper/internal/protocol/records';
import { RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';
import { spawnCoordinator } from '@nodepool/zookeeper/internal/server/testing/spawn';

interface Shape {
  readonly clients: number;
  /** Requests under way, of each client. */
  readonly window: number;
}

const shapes: readonly Shape[] = [
  { clients: 1, window: 1 },
  { clients: 1, window: 100 },
  { clients: 8, window: 1 },
  { clients: 8, window: 100 },
];
const secondsEach = 3;
const turns = 3;
const data = Buffer.alloc(100, 'x');

const create = (client: RawClient, path: string, flags: number) =>
  client.request(opCode.create, (w) =>
    writeCreate(w, { type: 'create', path, data, acl: openAcl, flags, withStat: false }),
  );

async function measure(port: number, { clients, window }: Shape): Promise<{ perSecond: number; latencies: number[] }> {
  const all = await Promise.all(Array.from({ length: clients }, () => RawClient.open(port, { timeoutMs: 30_000 })));
  const root = `/bench-${process.pid}-${Math.floor(performance.now() * 1000)}`;
  await create(all[0]!, root, createFlags.persistent);
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + secondsEach * 1000;
  const lane = async (client: RawClient) => {
    for (let now = performance.now(); now < end; ) {
      const { error } = await create(client, `${root}/n`, createFlags['persistent-sequential']);
      if (error !== 0) throw new Error(`the server answered ${error}`);
      const after = performance.now();
      latencies.push(after - now);
      now = after;
    }
  };
  await Promise.all(all.flatMap((client) => Array.from({ length: window }, () => lane(client))));
  const perSecond = Math.round(latencies.length / ((performance.now() - start) / 1000));
  for (const client of all) await client.close();
  return { perSecond, latencies };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const quantile = (values: readonly number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * q)]!.toFixed(1);

const [directory = '.', ...others] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
const dataDir = mkdtempSync(join(directory, 'coordinator-bench-'));
const coordinator = await spawnCoordinator({ dataDir });
try {
  const targets = [
    ['coordinator', coordinator.address.port!] as const,
    ...others.map((text) => [text.split('=')[0]!, Number(text.split('=')[1])] as const),
  ];
  for (const [, port] of targets) await measure(port, shapes.at(-1)!); // warm
  for (const shape of shapes) {
    const rates = new Map<string, number[]>(targets.map(([name]) => [name, []]));
    const latencies = new Map<string, number[]>(targets.map(([name]) => [name, []]));
    for (let turn = 0; turn < turns; turn++) {
      for (const [name, port] of targets) {
        const result = await measure(port, shape);
        rates.get(name)!.push(result.perSecond);
        latencies.get(name)!.push(...result.latencies.slice(0, 50_000));
      }
    }
    for (const [name] of targets) {
      const times = latencies.get(name)!;
      console.log(
        `${shape.clients} clients x ${shape.window} outstanding: ${name.padEnd(12)} ${String(median(rates.get(name)!)).padStart(6)} writes/s, p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`,
      );
    }
  }
} finally {
  process.stderr.write(coordinator.log());
  await coordinator.kill('SIGTERM');
  rmSync(dataDir, { recursive: true, force: true });
}
