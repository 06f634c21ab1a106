/** The embedded server and the simulated one say what Apache ZooKeeper says, on random operations. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Runtime, systemRuntime } from '../../../src/base/runtime.ts';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';
import { startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { SimulatedZooKeeper } from '@nodepool/zookeeper/internal/testing/simulated-zookeeper';
import { compare, type Opener } from './differential.ts';

const operations = 4000;
/** Containers go at different moments otherwise. */
const limits = { containerCheckMs: 3_600_000 };
const dataDir = mkdtempSync(join(tmpdir(), 'differential-'));
let coordinator: Coordinator;

// Each comparison starts with an empty Apache.
beforeAll(async () => {
  coordinator = await startCoordinator({ dataDir, runtime: systemRuntime, limits });
});
afterAll(async () => {
  await coordinator?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function differences(open: Opener, seed: number): Promise<string[]> {
  const apache = await startApache(1, limits);
  try {
    const found: string[] = [];
    const { port } = apache.servers[0]!.plain;
    await compare([() => RawClient.tcp(port), open], operations, seed, (text) => found.push(text));
    return found;
  } finally {
    await apache.close();
  }
}

test('the embedded server', async () => {
  expect(await differences(() => RawClient.tcp(coordinator.address.port!), 11)).toEqual([]);
});

/** Timers of the machine take a millisecond at least. */
const runtime: Runtime = {
  ...systemRuntime,
  setTimer(delayMs, callback) {
    if (delayMs >= 1) return systemRuntime.setTimer(delayMs, callback);
    const immediate = setImmediate(callback);
    return { cancel: () => clearImmediate(immediate) };
  },
};

test('the simulated server', async () => {
  const zk = new SimulatedZooKeeper({
    runtime,
    limits,
    latencyMs: { least: 0, most: 0 },
    commitMs: { least: 0, most: 0 },
  });
  const connector = zk.connector('differential');
  const open: Opener = async () =>
    new RawClient(await connector({ host: 'simulated', port: 0 }, new AbortController().signal));
  expect(await differences(open, 12)).toEqual([]);
  await zk.close();
});
