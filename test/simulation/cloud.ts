/**
 * A simulated cloud: what really exists there, and calls to it that take time and go wrong. Knows accounts' limits and
 * instances; nothing of nodes, ZooKeeper or launchers. The books of what exists are for those who check the promises.
 */
import { ProviderError } from '../../src/driver-kit/errors.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Chances; of each call, or of each creation or deletion. */
export interface CloudFaultRates {
  /** Refused, because there are too many calls. */
  throttle: number;
  /** Fails, with nothing done. */
  network: number;
  /** An error although it was done. */
  duplicate: number;
  /** Never answered; done or not. */
  hang: number;
  /** The instance is refused for quota or capacity at once. */
  capacity: number;
  quota: number;
  /** The instance is accepted, and turns out to be over the quota later. */
  quotaLate: number;
  /** The instance becomes active and is broken in the next moment, or never becomes active, or breaks while it starts. */
  lie: number;
  /** What is new is not listed at first, what has gone still is. */
  eventual: number;
  /** Some instances are missing in one listing. */
  partial: number;
}

export type CloudFault = keyof CloudFaultRates;

export const cloudFaults: readonly CloudFault[] = [
  'throttle',
  'network',
  'duplicate',
  'hang',
  'capacity',
  'quota',
  'quotaLate',
  'lie',
  'eventual',
  'partial',
];

export type InstanceState = 'building' | 'active' | 'error' | 'quota';

export interface CloudInstance {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, number>>;
  readonly createdMs: number;
  readonly listedFromMs: number;
}

interface Instance extends CloudInstance {
  readonly token: string;
  readonly becomes: readonly { readonly atMs: number; readonly state: InstanceState }[];
  listedUntilMs: number;
}

export interface InstanceSpec {
  readonly token: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, number>>;
}

export interface CloudDeps {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly onTrace: (text: () => string) => void;
  readonly onFault: (fault: CloudFault) => void;
  readonly onMade: (cloud: SimulatedCloud, instance: CloudInstance) => void;
  readonly onGone: (cloud: SimulatedCloud, instance: CloudInstance) => void;
}

export interface CloudOptions {
  readonly name: string;
  /** A second creation with the same token gives the same instance. */
  readonly idempotent: boolean;
  readonly limits: Readonly<Record<string, number>>;
  readonly bootMs: { readonly least: number; readonly most: number };
}

/** Who calls: nothing reaches it any more when it is dead. */
export interface Caller {
  readonly dead: boolean;
  /** Resolves at once unless it stands still. */
  running(): Promise<void>;
}

const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

export class SimulatedCloud {
  readonly name: string;
  readonly rates: CloudFaultRates = {
    throttle: 0,
    network: 0,
    duplicate: 0,
    hang: 0,
    capacity: 0,
    quota: 0,
    quotaLate: 0,
    lie: 0,
    eventual: 0,
    partial: 0,
  };
  /** Nothing is answered at all. */
  hangs = false;
  readonly counters = { created: 0, deleted: 0 };
  private readonly deps: CloudDeps;
  private readonly options: CloudOptions;
  private readonly there = new Map<string, Instance>();
  /** Gone, but still listed. */
  private readonly ghosts = new Map<string, Instance>();

  constructor(deps: CloudDeps, options: CloudOptions) {
    this.deps = deps;
    this.options = options;
    this.name = options.name;
  }

  get idempotent(): boolean {
    return this.options.idempotent;
  }

  stopFaults(): void {
    for (const fault of cloudFaults) this.rates[fault] = 0;
    this.hangs = false;
  }

  /** What exists: the truth. */
  instances(): Iterable<CloudInstance> {
    return this.there.values();
  }

  has(id: string): boolean {
    return this.there.has(id);
  }

  // --- calls

  create(spec: InstanceSpec, caller: Caller, signal: AbortSignal): Promise<string> {
    return this.call('create', caller, signal, () => {
      if (this.options.idempotent) {
        for (const instance of this.there.values()) if (instance.token === spec.token) return instance.id;
      }
      const refused = this.refusal(spec);
      if (refused) throw refused;
      return this.add(spec).id;
    });
  }

  /** null: there is none. */
  look(id: string, caller: Caller, signal: AbortSignal): Promise<InstanceState | null> {
    return this.call('look', caller, signal, () => this.stateOf(id));
  }

  /** Fails with `not-found`. */
  delete(id: string, caller: Caller, signal: AbortSignal): Promise<void> {
    return this.call('delete', caller, signal, () => {
      const instance = this.there.get(id);
      if (!instance) throw new ProviderError('not-found', `no instance ${id}`);
      this.remove(instance);
    });
  }

  list(caller: Caller, signal: AbortSignal): Promise<{ instance: CloudInstance; state: InstanceState }[]> {
    return this.call('list', caller, signal, () => {
      const now = this.deps.time.monotonicMs;
      for (const ghost of this.ghosts.values()) if (ghost.listedUntilMs <= now) this.ghosts.delete(ghost.id);
      const leaveOut = this.fault('partial');
      return [...this.there.values(), ...this.ghosts.values()]
        .filter((instance) => instance.listedFromMs <= now && !(leaveOut && this.deps.random.chance(0.4)))
        .map((instance) => ({ instance, state: this.at(instance) }));
    });
  }

  limits(caller: Caller, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
    return this.call('limits', caller, signal, () => this.options.limits);
  }

  // --- inside

  /** A call takes time there and back; it is done at the cloud even if its caller has died meanwhile. */
  private async call<T>(what: string, caller: Caller, signal: AbortSignal, work: () => T): Promise<T> {
    // Whoever stands still hears of it later.
    return this.perform(what, caller, signal, work).finally(() => caller.running());
  }

  private async perform<T>(what: string, caller: Caller, signal: AbortSignal, work: () => T): Promise<T> {
    const { time, random } = this.deps;
    if (caller.dead) return never(signal);
    await time.sleep(random.between(2, 20));
    if (this.hangs) return never(signal);
    if (this.fault('throttle')) throw new ProviderError('throttled', `${this.name}: too many calls`);
    if (this.fault('network')) {
      await time.sleep(random.between(2, 20));
      throw new ProviderError('network', `${this.name}: the connection was reset`);
    }
    const hangs = this.fault('hang');
    if (hangs && random.chance(0.5)) return never(signal);
    let result: { value: T } | { error: unknown };
    try {
      result = { value: work() };
    } catch (error) {
      result = { error };
    }
    this.deps.onTrace(
      () => `cloud ${this.name} ${what}: ${'error' in result ? String(result.error) : show(result.value)}`,
    );
    if (hangs) return never(signal);
    const lost = what !== 'list' && what !== 'look' && this.fault('duplicate');
    await time.sleep(random.between(2, 20));
    // Nobody is there to hear the answer.
    if (caller.dead) return never(new AbortController().signal);
    if (lost) throw new ProviderError('network', `${this.name}: no answer`);
    if ('error' in result) throw result.error as Error;
    return result.value;
  }

  private refusal(spec: InstanceSpec): ProviderError | null {
    if (this.fault('capacity')) return new ProviderError('capacity', `${this.name} has no room`);
    if (this.fault('quota')) return new ProviderError('quota', `${this.name}: quota exceeded`);
    for (const [name, limit] of Object.entries(this.options.limits)) {
      let used = spec.resources[name] ?? 0;
      for (const { resources } of this.there.values()) used += resources[name] ?? 0;
      if (used > limit) return new ProviderError('quota', `${this.name}: ${name} limited to ${limit}`);
    }
    return null;
  }

  private add(spec: InstanceSpec): Instance {
    const { time, random } = this.deps;
    const { bootMs } = this.options;
    const now = time.monotonicMs;
    const bootedMs = now + random.between(bootMs.least, bootMs.most);
    const instance: Instance = {
      ...spec,
      id: `${this.name}-${++this.counters.created}-${random.hex(6)}`,
      createdMs: now,
      listedFromMs: this.fault('eventual') ? now + random.between(500, 6000) : now,
      listedUntilMs: 0,
      becomes: this.future(now, bootedMs),
    };
    this.there.set(instance.id, instance);
    this.deps.onMade(this, instance);
    return instance;
  }

  private future(now: number, bootedMs: number): Instance['becomes'] {
    if (this.fault('quotaLate')) return [{ atMs: (now + bootedMs) / 2, state: 'quota' }];
    if (!this.fault('lie')) return [{ atMs: bootedMs, state: 'active' }];
    switch (this.deps.random.whole(0, 2)) {
      case 0:
        return [];
      case 1:
        return [{ atMs: bootedMs, state: 'error' }];
      default:
        return [
          { atMs: bootedMs, state: 'active' },
          { atMs: bootedMs + 50, state: 'error' },
        ];
    }
  }

  private stateOf(id: string): InstanceState | null {
    const instance = this.there.get(id);
    return instance ? this.at(instance) : null;
  }

  private at(instance: Instance): InstanceState {
    const now = this.deps.time.monotonicMs;
    let state: InstanceState = 'building';
    for (const step of instance.becomes) if (step.atMs <= now) state = step.state;
    return state;
  }

  private remove(instance: Instance): void {
    this.there.delete(instance.id);
    this.counters.deleted++;
    if (this.fault('eventual')) {
      instance.listedUntilMs = this.deps.time.monotonicMs + this.deps.random.between(500, 6000);
      this.ghosts.set(instance.id, instance);
    }
    this.deps.onGone(this, instance);
  }

  private fault(kind: CloudFault): boolean {
    const rate = this.rates[kind];
    if (rate === 0 || !this.deps.random.chance(rate)) return false;
    this.deps.onFault(kind);
    return true;
  }
}

function show(value: unknown): string {
  return Array.isArray(value) ? `${value.length} items` : (JSON.stringify(value) ?? 'done');
}
