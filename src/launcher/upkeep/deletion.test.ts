/** Nodes that were told to make room and are somebody's by then. */
import { expect, onTestFinished, test } from 'vitest';
import { encodeNode, newNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Evictions } from '../pools/evictions.ts';
import { DeletionReconciler } from './deletion.ts';
import { Cluster } from '../testing/cluster.ts';
import { noTracing } from '../../telemetry/tracing.ts';
import { Traces } from '../serving/traces.ts';

const patience = { timeout: 15_000, interval: 5 };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test('a node that was taken before it could make room is left alone, also when it is held in the end', async () => {
  const cluster = await Cluster.start();
  onTestFinished(() => cluster.stop());
  const fields = { provider: 'cloud', pool: 'main', labels: ['a'], state: 'ready' } as const;
  await cluster.createRaw('/nodepool/nodes/', encodeNode(newNode(fields, 0)).toString());
  await expect.poll(() => cluster.nodes().length, patience).toBe(1);
  const [{ id } = { id: '' }] = cluster.nodes();
  const taken = await cluster.consumer.lockNode(id);
  if (!taken.ok) throw new Error(taken.reason);
  await expect.poll(() => cluster.seen.nodes.get(id)?.locked, patience).toBe(true);
  const evictions = new Evictions();
  const deletion = new DeletionReconciler({
    store: cluster.seen,
    operations: cluster.consumer,
    runtime: systemRuntime,
    log: quiet,
    provider: () => ({ remove: () => Promise.resolve() }) as never,
    isOurs: () => true,
    evictions,
    traces: new Traces(noTracing, systemRuntime),
  });
  onTestFinished(() => deletion.stop());
  evictions.evict(id);
  await taken.node.write({ state: 'in-use' });
  await taken.node.write({ state: 'hold' });
  await taken.node.release();
  await expect.poll(() => evictions.isEvicting(id), patience).toBe(false);
  expect(cluster.nodes()).toMatchObject([{ id, state: 'hold' }]);
});
