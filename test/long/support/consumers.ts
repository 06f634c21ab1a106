/** Consumers at work, which do what Zuul does and look closely at what they are given. */
import { isBroken } from '../../../src/records/broken.ts';
import type { Operations } from '../../../src/store/transactions/operations.ts';
import type { Store } from '../../../src/store/mirrors/store.ts';
import { ZooKeeperError } from '@nodepool/zookeeper';
import { until } from '../../interop/support/programs.ts';
import { labels, type World } from './world.ts';

export interface Tally {
  submitted: number;
  fulfilled: number;
  failed: number;
  abandoned: number;
  readonly violations: string[];
  /** Seconds from the request to its end. */
  readonly waits: number[];
  /** Instances that somebody was given, with the request. */
  readonly given: Map<string, string>;
}

export const newTally = (): Tally => ({
  submitted: 0,
  fulfilled: 0,
  failed: 0,
  abandoned: 0,
  violations: [],
  waits: [],
  given: new Map(),
});

const lockPatienceMs = 5000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export interface ConsumerOptions {
  readonly world: World;
  readonly tally: Tally;
  readonly random: () => number;
  /** Asked before each request. */
  readonly goesOn: () => boolean;
  /** A request has to end within. */
  readonly boundMs: number;
  readonly abandons: number;
}

export async function consume(o: ConsumerOptions): Promise<void> {
  const { client, store, operations } = await o.world.consumer();
  while (o.goesOn()) {
    try {
      await one(o, store, operations);
    } catch (error) {
      // Our own connection: nothing can be said about the launchers.
      if (!(error instanceof ZooKeeperError)) o.tally.violations.push(String(error));
    }
  }
  // With its session go the requests whose creation was done though its answer was lost.
  await store.close();
  await client.close();
}

async function one(o: ConsumerOptions, store: Store, operations: Operations): Promise<void> {
  const { tally, random } = o;
  const nodeTypes = Array.from({ length: 1 + Math.floor(random() * 3) }, () => labels[random() < 0.7 ? 0 : 1]);
  const started = performance.now();
  const { id } = await operations.createRequest({ nodeTypes, requestor: 'consumer' }, random() < 0.3 ? '100' : '200', {
    ephemeral: true,
  });
  tally.submitted++;
  if (random() < o.abandons) {
    await pause(random() * 3000);
    await operations.deleteRequest(id);
    tally.abandoned++;
    return;
  }
  const request = await until(
    () => `P5: request ${id} has ended within ${o.boundMs / 1000} s; it is ${describe(store, id)}`,
    () => {
      const found = store.requests.get(id)?.request;
      return found && !isBroken(found) && (found.state === 'fulfilled' || found.state === 'failed') ? found : null;
    },
    o.boundMs,
  );
  tally.waits.push((performance.now() - started) / 1000);
  if (request.state === 'failed') {
    tally.failed++;
    await operations.deleteRequest(id);
    return;
  }
  tally.fulfilled++;
  if (request.nodes.length !== nodeTypes.length)
    tally.violations.push(`P2: request ${id} has ${request.nodes.length} nodes`);
  for (const nodeId of request.nodes) {
    // Somebody may just be looking whether the node is free; Zuul waits for the lock too.
    const attempt = () =>
      operations.lockNode(nodeId, { expect: (node) => node.state === 'ready' && node.allocatedTo === id });
    let held = await attempt();
    const triedMs = performance.now();
    while (!held.ok && held.reason === 'locked' && performance.now() - triedMs < lockPatienceMs) {
      await pause(100);
      held = await attempt();
    }
    if (!held.ok) {
      tally.violations.push(`P2: node ${nodeId} of request ${id} cannot be taken: ${held.reason}`);
      continue;
    }
    const { node } = held.node;
    const instance = `${node.provider ?? ''} ${String(node.externalId)}`;
    const before = tally.given.get(instance);
    if (before !== undefined) tally.violations.push(`P1: ${instance} was given to ${before} and to ${id}`);
    tally.given.set(instance, id);
    await held.node.write({ state: 'in-use' });
    await pause(50 + random() * 400);
    const still = store.nodes.get(nodeId)?.node;
    if (!still || isBroken(still) || still.state !== 'in-use' || still.allocatedTo !== id) {
      tally.violations.push(`P2: node ${nodeId} was taken from request ${id} in use`);
    }
    await held.node.write({ state: 'used' });
    await held.node.release();
  }
  await operations.deleteRequest(id);
}

function describe(store: Store, id: string): string {
  const request = store.requests.get(id)?.request;
  if (!request || isBroken(request)) return 'not there';
  const nodes = [...store.nodes.byAllocatedTo(id)].map((nodeId) => {
    const entry = store.nodes.get(nodeId);
    const state = entry?.node && !isBroken(entry.node) ? entry.node.state : '?';
    return `${nodeId} ${state}${entry?.locked ? ' locked' : ''}`;
  });
  const locked = store.requestLocks.isLocked(id) ? ', locked' : '';
  return `${request.state}${locked}, declined by ${request.declinedBy.length}, nodes: ${nodes.join(', ')}`;
}
