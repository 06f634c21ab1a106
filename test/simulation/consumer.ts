/**
 * A consumer as a process of the simulated world, as Zuul is one: it asks for nodes, waits, locks them, uses them, gives
 * them back. Made of the ZooKeeper client and its lock alone. May change its mind, and may die at any moment.
 */
import { isBroken } from '../../src/records/broken.ts';
import { encodeNode, type NodeFields, type NodeRecord, parseNode, updateNode } from '../../src/records/node.ts';
import {
  encodeRequest,
  newRequest,
  parseRequest,
  type RequestRecord,
  updateRequest,
} from '../../src/records/request.ts';
import { sleep } from '../../src/base/runtime.ts';
import {
  BadVersionError,
  createZooKeeper,
  type HeldLock,
  lock,
  NoNodeError,
  type ZooKeeper,
  ZooKeeperError,
} from '@nodepool/zookeeper';
import type { SimulatedZooKeeper } from '@nodepool/zookeeper/internal/testing/simulated-zookeeper';
import type { Random } from './random.ts';
import type { ProcessRuntime } from './virtual-time.ts';

export interface ConsumerHabits {
  readonly requests: number;
  /** Between two requests, on the average. */
  readonly pauseMs: number;
  readonly largestRequest: number;
  readonly useMs: number;
  /** Chances: a request is withdrawn while it is open; a fulfilled one is not used; its nodes are given back unused. */
  readonly withdraws: number;
  readonly ignores: number;
  readonly returnsUnused: number;
  readonly holds: number;
  readonly revises: number;
  readonly tenants: readonly (string | null)[];
  readonly labels: readonly string[];
  readonly providers: readonly string[];
}

export interface ConsumerDeps {
  readonly zk: SimulatedZooKeeper;
  readonly runtime: ProcessRuntime;
  readonly random: Random;
  /** Resolves when the request's znode changes, or soon anyhow. */
  readonly changeOf: (requestId: string) => Promise<void>;
  /** It was given a node that it cannot use. */
  readonly complain: (text: string) => void;
}

export interface ConsumerOptions {
  readonly name: string;
  readonly sessionTimeoutMs: number;
  readonly habits: ConsumerHabits;
}

class Lost extends Error {}

export class Consumer {
  readonly name: string;
  /** Has nothing more to do. */
  ended = false;
  /** Asks for nothing new. */
  resting = false;
  readonly counters = { submitted: 0, fulfilled: 0, failed: 0, nodesUsed: 0 };
  private readonly deps: ConsumerDeps;
  private readonly habits: ConsumerHabits;
  private readonly client: ZooKeeper;
  private readonly work = new Set<Promise<void>>();

  constructor(deps: ConsumerDeps, options: ConsumerOptions) {
    this.deps = deps;
    this.habits = options.habits;
    this.name = options.name;
    this.client = createZooKeeper({
      ...deps.zk.clientOptions(options.name),
      runtime: deps.runtime,
      sessionTimeoutMs: options.sessionTimeoutMs,
    });
  }

  get sessionId(): bigint {
    return this.client.sessionId;
  }

  async run(): Promise<void> {
    const { habits } = this;
    const { random } = this.deps;
    await this.client.waitConnected();
    await this.makeRoot();
    for (let i = 0; i < habits.requests && !this.resting; i++) {
      await this.pause(random.between(0, 2 * habits.pauseMs));
      if (this.resting) break;
      const one = this.one().finally(() => this.work.delete(one));
      this.work.add(one);
    }
    while (this.work.size > 0) await Promise.all(this.work);
    await this.client.close();
    this.ended = true;
  }

  kill(): void {
    this.ended = true;
    this.deps.runtime.kill();
    this.deps.zk.kill(this.name);
  }

  private pause(ms: number): Promise<void> {
    return sleep(this.deps.runtime, ms);
  }

  /** One request from beginning to end. Whatever goes wrong with the session ends it: its request and locks are gone. */
  private async one(): Promise<void> {
    const session = this.client.sessionId;
    try {
      await this.submitAndUse();
    } catch (error) {
      if (!(error instanceof Lost || error instanceof ZooKeeperError)) throw error;
      // What it may have left lives as long as its session: a consumer that lost track of it starts afresh.
      if (this.client.sessionId === session && this.client.state !== 'closed') this.deps.zk.expireSession(session);
    }
  }

  private async submitAndUse(): Promise<void> {
    const { habits } = this;
    const { random } = this.deps;
    const id = await this.submit();
    this.counters.submitted++;
    if (random.chance(habits.withdraws)) {
      await this.pause(random.between(0, 4000));
      await this.deleteRequest(id);
      return;
    }
    const request = await this.untilEnd(id);
    if (request.state === 'failed') {
      this.counters.failed++;
      await this.deleteRequest(id);
      return;
    }
    this.counters.fulfilled++;
    if (random.chance(habits.ignores)) {
      await this.pause(random.between(0, 3000));
      await this.deleteRequest(id);
      return;
    }
    await this.use(request);
  }

  private async submit(): Promise<string> {
    const { habits } = this;
    const { random, runtime } = this.deps;
    const count = random.chance(0.6) ? 1 : random.whole(1, habits.largestRequest);
    const request = newRequest(
      {
        nodeTypes: Array.from({ length: count }, () => random.pick(habits.labels)),
        requestor: `simulation:${this.name}`,
        tenantName: random.pick(habits.tenants),
        relativePriority: random.whole(0, 3),
        provider: random.chance(0.1) ? random.pick(habits.providers) : null,
        eventId: random.hex(32),
      },
      runtime.nowMs(),
    );
    const path = `/nodepool/requests/${random.pick(['100', '200', '300'])}-`;
    const made = await this.client.create(path, encodeRequest(request), { mode: 'ephemeral-sequential' });
    return made.path.slice(made.path.lastIndexOf('/') + 1);
  }

  private async untilEnd(id: string): Promise<RequestRecord> {
    const { habits } = this;
    const { random } = this.deps;
    let revises = random.chance(habits.revises);
    for (;;) {
      const changed = this.deps.changeOf(id);
      const { data, stat } = await this.again(() => this.client.get(`/nodepool/requests/${id}`));
      const request = parseRequest(id, data);
      if (isBroken(request)) throw new Error(request.message);
      if (request.state === 'fulfilled' || request.state === 'failed') return request;
      if (revises) {
        revises = false;
        const revised = updateRequest(request, { relativePriority: random.whole(0, 3) }, 0);
        await this.client
          .set(`/nodepool/requests/${id}`, encodeRequest(revised), stat.version)
          .catch((error: unknown) => {
            if (!(error instanceof BadVersionError)) throw error;
          });
      }
      await changed;
    }
  }

  private async use(request: RequestRecord): Promise<void> {
    const { habits } = this;
    const { random } = this.deps;
    const session = this.client.sessionId;
    // With another session than the one that it was given to, the node is not its own any more.
    const isOwner = () => this.client.sessionId === session && this.client.state === 'connected';
    const held: { readonly lock: HeldLock; node: NodeRecord; version: number }[] = [];
    for (const id of request.nodes) {
      const path = `/nodepool/nodes/${id}/lock`;
      const got = await lock(
        { client: this.client, runtime: this.deps.runtime, path, createParents: false, identifier: this.name },
        { timeoutMs: 10_000 },
      );
      if (got.result !== 'acquired') {
        if (isOwner()) this.deps.complain(`node ${id} of request ${request.id}: ${got.result}`);
        throw new Lost();
      }
      const { data, stat } = await this.again(() => this.client.get(`/nodepool/nodes/${id}`));
      const node = parseNode(id, data);
      if (isBroken(node)) throw new Error(node.message);
      if (!isOwner() && got.lock.held) {
        await got.lock.release();
        throw new Lost();
      }
      if (isOwner() && got.lock.held && (node.state !== 'ready' || node.allocatedTo !== request.id)) {
        const still = await this.client.exists(`/nodepool/requests/${request.id}`);
        if (still && isOwner() && got.lock.held)
          this.deps.complain(`node ${id} of request ${request.id} is ${node.state}, allocated to ${node.allocatedTo}`);
        throw new Lost();
      }
      held.push({ lock: got.lock, node, version: stat.version });
    }
    await this.deleteRequest(request.id);
    if (random.chance(habits.returnsUnused)) {
      for (const one of held) await one.lock.release();
      return;
    }
    for (const one of held) await this.write(one, { state: 'in-use' });
    this.counters.nodesUsed += held.length;
    await this.pause(random.between(0.2, 1.8) * habits.useMs);
    const holds = random.chance(habits.holds);
    for (const one of held) {
      await this.write(
        one,
        holds ? { state: 'hold', holdExpiration: 3, comment: 'held', holdJob: 'job' } : { state: 'used' },
      );
      await one.lock.release();
    }
  }

  private async write(
    one: { readonly lock: HeldLock; node: NodeRecord; version: number },
    fields: NodeFields,
  ): Promise<void> {
    const path = `/nodepool/nodes/${one.node.id}`;
    const node = updateNode(one.node, fields, this.deps.runtime.nowMs());
    for (;;) {
      if (!one.lock.held) throw new Lost();
      try {
        const stat = await this.client.set(path, encodeNode(node), one.version);
        one.node = node;
        one.version = stat.version;
        return;
      } catch (error) {
        if (!(error instanceof ZooKeeperError) || !(error.retriable || error instanceof BadVersionError)) throw error;
        const { data, stat } = await this.again(() => this.client.get(path));
        const seen = parseNode(one.node.id, data);
        if (!one.lock.held) throw new Lost();
        // Only we write what we have locked: another version is that of our own write, whose answer was lost.
        if (isBroken(seen) || (seen.state !== one.node.state && seen.state !== node.state)) {
          this.deps.complain(`node ${one.node.id} was written by somebody else while it was in use`);
          throw new Lost();
        }
        one.version = stat.version;
      }
    }
  }

  private async deleteRequest(id: string): Promise<void> {
    await this.again(() => this.client.delete(`/nodepool/requests/${id}`)).catch((error: unknown) => {
      if (!(error instanceof NoNodeError)) throw error;
    });
  }

  private async makeRoot(): Promise<void> {
    for (;;) {
      try {
        await this.client.ensurePath('/nodepool/requests');
        return;
      } catch (error) {
        if (!(error instanceof ZooKeeperError)) throw error;
        await this.pause(50);
      }
    }
  }

  /** Repeats what does no harm when it is done twice. */
  private async again<T>(work: () => Promise<T>): Promise<T> {
    const session = this.client.sessionId;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof ZooKeeperError) || !error.retriable) throw error;
        if (this.client.sessionId !== session) throw new Lost();
        await this.pause(50);
      }
    }
  }
}
