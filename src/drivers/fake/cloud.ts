/** A cloud in memory: servers that become active after a while, quota, faults. Shared by the driver and `nodepool fake-cloud`. */
import type { Runtime } from '../../runtime.ts';

export interface FakeServer {
  readonly id: string;
  readonly name: string;
  status: 'BUILD' | 'ACTIVE' | 'ERROR' | 'DELETED';
  readonly metadata: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly zone: string;
  readonly ipv6: boolean;
  readonly publicAddress: boolean;
  readonly resources: Readonly<Record<string, number>>;
  /** Monotonic milliseconds at which it becomes active. */
  readonly activeAtMs: number;
}

export interface FakeServerSpec {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly zone: string;
  readonly ipv6: boolean;
  readonly publicAddress: boolean;
  readonly resources: Readonly<Record<string, number>>;
  /** A second creation with the same token gives the first one's server. */
  readonly token: string;
}

export interface FakeFaults {
  /** The next so many creations fail. */
  createFailures: number;
  /** The next so many fail with an error that names the server `fakeid`. */
  createFailuresWithId: number;
  /** The next so many servers never become active. */
  createTimeouts: number;
  /** Share of creations that fail. */
  failureRate: number;
  /** The cloud answers nothing while true. */
  hang: boolean;
}

export type CreateAnswer =
  | { readonly server: FakeServer }
  | { readonly error: 'quota' | 'capacity' | 'zone' | 'failure'; readonly message: string; readonly serverId?: string };

export class FakeCloud {
  readonly servers = new Map<string, FakeServer>();
  readonly faults: FakeFaults = {
    createFailures: 0,
    createFailuresWithId: 0,
    createTimeouts: 0,
    failureRate: 0,
    hang: false,
  };
  /** Limits that the cloud reports; creating beyond `instances` is refused. */
  quota: Record<string, number> = {};
  capacity = Number.POSITIVE_INFINITY;
  zones: string[] = ['az1', 'az2'];
  images = new Set<string>(['Fake Precise']);
  bootDelayMs = 100;
  deleteDelayMs = 0;
  /** Statuses that a test forces. */
  forced = new Map<string, string>();
  private readonly runtime: Runtime;
  private readonly byToken = new Map<string, string>();
  private readonly listeners = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }

  create(spec: FakeServerSpec): CreateAnswer {
    const existing = this.servers.get(this.byToken.get(spec.token) ?? '');
    if (existing) return { server: existing };
    const refused = this.refusal(spec);
    if (refused) {
      this.changed();
      return refused;
    }
    const never = this.faults.createTimeouts > 0;
    if (never) this.faults.createTimeouts--;
    const { token, ...rest } = spec;
    const server: FakeServer = {
      ...rest,
      id: this.runtime.randomHex(32),
      status: 'BUILD',
      activeAtMs: never ? Number.POSITIVE_INFINITY : this.runtime.monotonicMs() + this.bootDelayMs,
    };
    this.servers.set(server.id, server);
    this.byToken.set(token, server.id);
    this.changed();
    return { server };
  }

  get(id: string): FakeServer | undefined {
    const server = this.servers.get(id);
    if (!server) return undefined;
    const forced = this.forced.get(id);
    if (forced !== undefined) server.status = forced as FakeServer['status'];
    else if (server.status === 'BUILD' && this.runtime.monotonicMs() >= server.activeAtMs) server.status = 'ACTIVE';
    return server;
  }

  list(): FakeServer[] {
    return [...this.servers.keys()].map((id) => this.get(id)!);
  }

  /** False when there is no such server. */
  delete(id: string): boolean {
    const server = this.servers.get(id);
    if (!server) return false;
    // A server that is forced to DELETED stays listed.
    if (this.forced.get(id) === 'DELETED') return false;
    const drop = () => {
      this.servers.delete(id);
      this.changed();
    };
    if (this.deleteDelayMs > 0) this.runtime.setBackgroundTimer(this.deleteDelayMs, drop);
    else drop();
    return true;
  }

  private refusal(spec: FakeServerSpec): CreateAnswer | null {
    const { faults } = this;
    if (faults.createFailures > 0) {
      faults.createFailures--;
      return { error: 'failure', message: 'the cloud failed to create the server' };
    }
    if (faults.createFailuresWithId > 0) {
      faults.createFailuresWithId--;
      return { error: 'failure', message: 'the cloud failed to create the server', serverId: 'fakeid' };
    }
    if (faults.failureRate > 0 && this.runtime.random() < faults.failureRate) {
      return { error: 'failure', message: 'the cloud failed to create the server' };
    }
    if (!this.zones.includes(spec.zone))
      return { error: 'zone', message: `there is no availability zone ${spec.zone}` };
    const count = this.servers.size;
    if (count >= (this.quota['instances'] ?? Number.POSITIVE_INFINITY)) {
      return { error: 'quota', message: `Quota exceeded for instances: ${count} of ${this.quota['instances']} in use` };
    }
    if (count >= this.capacity) return { error: 'capacity', message: `no room for more than ${this.capacity} servers` };
    return null;
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}
