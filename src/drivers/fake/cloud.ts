/**
 * A cloud in memory: servers that become active after a while, quota, zones, images, faults. The driver uses it directly,
 * `nodepool fake-cloud` serves it to several launchers. Knows nothing of Nodepool's own documents.
 */
import type { Runtime } from '../../base/runtime.ts';
import type { OwnErrorCode } from '../../base/error-codes.ts';

export interface ServerSpec {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly securityGroups: readonly string[];
  readonly zone: string;
  readonly resources: Readonly<Record<string, number>>;
  /** A second creation with the same token gives the first one's server: the answer to the first may have been lost. */
  readonly token: string;
}

export type ServerStatus = 'BUILD' | 'ACTIVE' | 'ERROR' | 'DELETED';

export interface FakeServer extends ServerSpec {
  readonly id: string;
  readonly status: ServerStatus;
}

export type ServerLook =
  | { readonly state: 'active' }
  /** null: as far as one can tell, never. */
  | { readonly state: 'building'; readonly inMs: number | null }
  | { readonly state: 'broken' }
  | { readonly state: 'gone' };

/** What goes wrong next; numbers count down. */
export interface CloudFaults {
  createFailures: number;
  /** Creations that fail with an error that names the server `fakeid`. */
  createFailuresWithId: number;
  /** Servers that never become active. */
  createTimeouts: number;
  /** Servers that turn out broken when they should become active. */
  createBroken: number;
  deleteFailures: number;
  /** Share of the creations that fail. */
  failureRate: number;
}

export type RefusalKind = 'quota' | 'capacity' | 'bad-request' | 'failure';

/** The cloud refuses. */
export class Refusal extends Error {
  readonly code = 'refused' satisfies OwnErrorCode;
  readonly kind: RefusalKind;
  readonly serverId: string | null;

  constructor(kind: RefusalKind, message: string, serverId: string | null = null) {
    super(message);
    this.kind = kind;
    this.serverId = serverId;
  }
}

interface Server extends ServerSpec {
  readonly id: string;
  /** Monotonic milliseconds; Infinity: never. */
  readonly activeAtMs: number;
  readonly breaks: boolean;
  deleted: boolean;
}

const mostServers = 100_000;

export interface FakeImage {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export class FakeCloud {
  readonly faults: CloudFaults = {
    createFailures: 0,
    createFailuresWithId: 0,
    createTimeouts: 0,
    createBroken: 0,
    deleteFailures: 0,
    failureRate: 0,
  };
  /** Limits that the cloud reports. */
  quota: Readonly<Record<string, number>> = {};
  /** Which of them it enforces. */
  enforces: 'all' | 'instances' = 'all';
  /** Servers that it has room for, whoever asks. */
  capacity = Number.POSITIVE_INFINITY;
  zones: readonly string[] = ['az1', 'az2'];
  bootDelayMs = 100;
  deleteDelayMs = 0;
  /** Statuses that a test forces; a server forced to DELETED stays listed after its deletion. */
  forced: ReadonlyMap<string, string> = new Map();
  readonly counters = { created: 0, deleted: 0, refused: 0 };
  private readonly images = new Map<string, FakeImage>([
    ['Fake Precise', { id: 'fake-image-id', name: 'Fake Precise', metadata: {} }],
  ]);
  private readonly servers = new Map<string, Server>();
  private readonly byToken = new Map<string, Server>();
  private readonly used = new Map<string, number>();
  private readonly runtime: Runtime;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Throws a Refusal. */
  create(spec: ServerSpec): { readonly id: string; readonly activeInMs: number | null } {
    const existing = this.byToken.get(spec.token);
    if (existing && !existing.deleted) return { id: existing.id, activeInMs: this.activeInMs(existing) };
    const refusal = this.refusal(spec);
    if (refusal) {
      this.counters.refused++;
      throw refusal;
    }
    const never = this.takeFault('createTimeouts');
    const server: Server = {
      ...spec,
      id: this.runtime.randomHex(32),
      activeAtMs: never ? Number.POSITIVE_INFINITY : this.runtime.monotonicMs() + this.bootDelayMs,
      breaks: !never && this.takeFault('createBroken'),
      deleted: false,
    };
    this.servers.set(server.id, server);
    this.byToken.set(server.token, server);
    this.count(server, 1);
    this.counters.created++;
    return { id: server.id, activeInMs: this.activeInMs(server) };
  }

  look(id: string): ServerLook {
    const server = this.servers.get(id);
    if (!server) return { state: 'gone' };
    switch (this.statusOf(server)) {
      case 'ACTIVE':
        return { state: 'active' };
      case 'BUILD':
        return { state: 'building', inMs: this.activeInMs(server) };
      case 'DELETED':
        return { state: 'gone' };
      default:
        return { state: 'broken' };
    }
  }

  list(): FakeServer[] {
    return [...this.servers.values()].map((server) => {
      const { id, name, metadata, securityGroups, zone, resources, token } = server;
      return { id, name, metadata, securityGroups, zone, resources, token, status: this.statusOf(server) };
    });
  }

  /** Milliseconds until it is gone; null when there is no such server. Throws a Refusal. */
  delete(id: string): number | null {
    const server = this.servers.get(id);
    if (!server || this.forced.get(id) === 'DELETED') return null;
    if (this.takeFault('deleteFailures')) throw new Refusal('failure', `the cloud failed to delete server ${id}`, id);
    if (!server.deleted) {
      server.deleted = true;
      if (this.deleteDelayMs > 0) this.runtime.setBackgroundTimer(this.deleteDelayMs, () => this.drop(server));
      else this.drop(server);
    }
    return this.servers.has(id) ? this.deleteDelayMs : 0;
  }

  listImages(): FakeImage[] {
    return [...this.images.values()];
  }

  /** Names are unique here, unlike in most clouds. */
  addImage(name: string, metadata: FakeImage['metadata'] = {}): void {
    if (!this.images.has(name)) this.images.set(name, { id: this.runtime.randomHex(32), name, metadata });
  }

  private drop(server: Server): void {
    this.servers.delete(server.id);
    if (this.byToken.get(server.token) === server) this.byToken.delete(server.token);
    this.count(server, -1);
    this.counters.deleted++;
  }

  private count(server: Server, sign: 1 | -1): void {
    for (const [name, amount] of Object.entries(server.resources)) {
      this.used.set(name, (this.used.get(name) ?? 0) + sign * amount);
    }
  }

  private statusOf(server: Server): ServerStatus {
    const forced = this.forced.get(server.id);
    if (forced !== undefined) return forced as ServerStatus;
    if (this.runtime.monotonicMs() < server.activeAtMs) return 'BUILD';
    return server.breaks ? 'ERROR' : 'ACTIVE';
  }

  private activeInMs(server: Server): number | null {
    return Number.isFinite(server.activeAtMs) ? Math.max(0, server.activeAtMs - this.runtime.monotonicMs()) : null;
  }

  private takeFault(name: Exclude<keyof CloudFaults, 'failureRate'>): boolean {
    if (this.faults[name] <= 0) return false;
    this.faults[name]--;
    return true;
  }

  private refusal(spec: ServerSpec): Refusal | null {
    const failed = 'the cloud failed to create the server';
    if (this.takeFault('createFailures')) return new Refusal('failure', failed);
    if (this.takeFault('createFailuresWithId')) return new Refusal('failure', failed, 'fakeid');
    if (this.faults.failureRate > 0 && this.runtime.random() < this.faults.failureRate)
      return new Refusal('failure', failed);
    if (!this.zones.includes(spec.zone))
      return new Refusal('bad-request', `there is no availability zone ${spec.zone}`);
    for (const [name, amount] of Object.entries(spec.resources)) {
      const limit = this.quota[name];
      const used = this.used.get(name) ?? 0;
      if (limit === undefined || used + amount <= limit) continue;
      if (this.enforces === 'all' || name === 'instances') {
        return new Refusal('quota', `Quota exceeded for ${name}: ${used} of ${limit} in use`);
      }
    }
    const room = Math.min(this.capacity, mostServers);
    return this.servers.size < room ? null : new Refusal('capacity', `there is no room for more than ${room} servers`);
  }
}
