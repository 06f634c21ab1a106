/** One test of the conformance suite while it runs: its bed, the providers that it has started, what it does with them. */
import { expect, test } from 'vitest';
import { systemRuntime } from '../../../base/runtime.ts';
import type {
  ExternalId,
  Instance,
  Json,
  LaunchSpec,
  ListedInstance,
  StepContext,
  Wait,
} from '../../../driver-kit/contract.ts';
import { ProviderError } from '../../../driver-kit/errors.ts';
import { idText } from '../../../driver-kit/contract.ts';
import { Provider } from '../../../provider/provider.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { type CloudLevers, type ConformanceBed, type Demand, type NotShown, provided } from './bed.ts';

export const never: AbortSignal = new AbortController().signal;

/** As a node's document keeps it. */
export interface Stored {
  readonly id: ExternalId;
  readonly state: Json;
}

interface LaunchOptions {
  readonly timeoutMs?: number;
  readonly stored?: Stored[];
}

export class ConformanceRun {
  readonly bed: ConformanceBed;
  readonly notShown: readonly NotShown[];
  /** Nodes that ZooKeeper knows of. */
  readonly known = new Set<string>();
  private readonly log = new MemoryLogger();
  private readonly providers: Provider[] = [];

  constructor(bed: ConformanceBed, notShown: readonly NotShown[]) {
    this.bed = bed;
    this.notShown = notShown;
  }

  async end(): Promise<void> {
    await this.bed.levers.hang?.(false);
    await Promise.all(this.providers.splice(0).map((provider) => provider.stop()));
    await this.bed.dispose();
  }

  /** null: it is declared as not shown. */
  lever<K extends keyof CloudLevers>(what: K): NonNullable<CloudLevers[K]> | null {
    return provided(this.bed, this.notShown, what);
  }

  /** A launcher's view of the provider; another one on the same cloud each time. */
  async start(): Promise<Provider> {
    const { bed, known } = this;
    const provider = new Provider(
      {
        createAdapter: () => Promise.resolve(bed.createAdapter()),
        runtime: systemRuntime,
        log: this.log,
        isKnownNode: (id) => known.has(id),
      },
      bed.config,
    );
    this.providers.push(provider);
    provider.start();
    await eventually(() => expect(provider.state).toBe('running'));
    await eventually(() => expect(provider.limits()).not.toBeNull());
    await eventually(() => expect(provider.labelStatus(bed.label).available).toBe(true));
    return provider;
  }

  spec(nodeId: string, attempt = 1): LaunchSpec {
    const { bed } = this;
    this.known.add(nodeId);
    return {
      hostname: `np${nodeId}`,
      nodeId,
      poolName: bed.poolName,
      label: bed.label,
      imageExternalId: null,
      metadata: {
        nodepool_node_id: nodeId,
        nodepool_pool_name: bed.poolName,
        nodepool_provider_name: bed.config.name,
      },
      request: null,
      availabilityZone: null,
      attempt,
    };
  }

  launch(provider: Provider, spec: LaunchSpec, { timeoutMs, stored }: LaunchOptions = {}): Promise<Instance> {
    return provider.launch(spec, {
      timeoutMs: timeoutMs ?? this.normalMs,
      signal: never,
      onExternalId: async (id, state) => void stored?.push(asStored(id, state)),
    });
  }

  /** A launch whose launcher is killed as soon as the id is stored. */
  async killedLaunch(provider: Provider, spec: LaunchSpec): Promise<Stored> {
    const crash = new AbortController();
    const stored: Stored[] = [];
    const lost = provider.launch(spec, {
      timeoutMs: this.normalMs,
      signal: crash.signal,
      onExternalId: async (id, state) => {
        stored.push(asStored(id, state));
        crash.abort(new Error('killed'));
      },
    });
    await expect(lost).rejects.toThrow('killed');
    return stored[0]!;
  }

  /** Another launcher goes on with a stored launch; the id must stay as it is. */
  takeOver(provider: Provider, spec: LaunchSpec, { id, state }: Stored): Promise<Instance> {
    return provider.launch(spec, {
      timeoutMs: this.normalMs,
      signal: never,
      resume: state,
      resumeExternalId: id,
      onExternalId: () => Promise.reject(new Error('the id has not changed')),
    });
  }

  /** Leads a creation to its end with each step carried out twice, as after a lost answer. */
  async launchInDoubledSteps(provider: Provider, spec: LaunchSpec): Promise<Instance> {
    const adapter = provider.adapter!;
    const end = new AbortController();
    let listing: ReadonlyMap<string, ListedInstance> = new Map();
    const context: StepContext = { signal: end.signal, listing: () => listing, log: this.log };
    try {
      for (let state = adapter.beginCreate(spec); ; ) {
        await adapter.advanceCreate(state, spec, context);
        const step = await adapter.advanceCreate(state, spec, context);
        if (step.done) return step.instance;
        state = step.state;
        await waited(step.wait);
        if (step.wait.kind !== 'listing') continue;
        listing = new Map((await adapter.listInstances(end.signal)).map((one) => [idText(one.externalId), one]));
      }
    } finally {
      end.abort(new Error('the test is over'));
    }
  }

  remove(provider: Provider, id: ExternalId): Promise<void> {
    return provider.remove(id, { timeoutMs: this.normalMs, signal: never });
  }

  async ids(): Promise<string[]> {
    return (await this.bed.instances()).map((one) => one.id).sort();
  }

  private get normalMs(): number {
    return this.bed.normalMs ?? 20_000;
  }
}

/** Registers the tests of the suite; each gets a run of its own. */
export class ConformanceTests {
  private readonly current: () => ConformanceRun;
  private readonly notShown: ReadonlyMap<Demand, string>;

  constructor(current: () => ConformanceRun, notShown: readonly NotShown[]) {
    this.current = current;
    this.notShown = new Map(notShown.map(({ what, why }) => [what, why]));
  }

  test(title: string, body: (run: ConformanceRun) => Promise<void>): void {
    test(title, () => body(this.current()));
  }

  /** A test that only some partners can show: skipped with the declared reason, failed without one. */
  demanding(what: Demand, title: string, body: (run: ConformanceRun) => Promise<void>): void {
    const why = this.notShown.get(what);
    if (why === undefined) this.test(title, body);
    else test.skip(`${title} (not shown: ${why})`);
  }

  withLever<K extends keyof CloudLevers>(
    what: K,
    title: string,
    body: (lever: NonNullable<CloudLevers[K]>, run: ConformanceRun) => Promise<void>,
  ): void {
    this.demanding(what, title, (run) => body(run.lever(what)!, run));
  }
}

const asStored = (id: ExternalId, state: Json): Stored => JSON.parse(JSON.stringify({ id, state })) as Stored;

async function waited(wait: Wait): Promise<void> {
  if (wait.kind === 'event') await wait.promise;
  if (wait.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, wait.ms));
}

export async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderError);
    return error as ProviderError;
  }
  throw new Error('it should have failed');
}

/** Waits until the expectation holds. */
export async function eventually(check: () => void | Promise<void>, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
