/** What the adapter needs of a cloud, in this process or in another one; and the clouds of this process. */
import { ProviderError } from '../../driver-kit/errors.ts';
import type { Runtime } from '../../base/runtime.ts';
import { FakeCloud, type FakeImage, Refusal, type FakeServer, type ServerLook, type ServerSpec } from './cloud.ts';

/** Every call rejects with a ProviderError. */
export interface CloudPort {
  create(spec: ServerSpec, signal: AbortSignal): Promise<{ readonly id: string; readonly activeInMs: number | null }>;
  look(id: string, signal: AbortSignal): Promise<ServerLook>;
  list(signal: AbortSignal): Promise<readonly FakeServer[]>;
  /** Resolves with the milliseconds until it is gone. */
  delete(id: string, signal: AbortSignal): Promise<number>;
  quota(signal: AbortSignal): Promise<Readonly<Record<string, number>>>;
  zones(signal: AbortSignal): Promise<readonly string[]>;
  images(signal: AbortSignal): Promise<readonly FakeImage[]>;
  close(): Promise<void>;
}

export function refusalError(kind: Refusal['kind'], message: string, serverId: string | null): ProviderError {
  const options = serverId === null ? {} : { externalId: serverId };
  if (kind === 'quota') return new ProviderError('quota', message, options);
  if (kind === 'capacity') return new ProviderError('capacity', message, options);
  return new ProviderError(kind === 'bad-request' ? 'status' : 'unknown', message, options);
}

interface Shared {
  readonly cloud: FakeCloud;
  users: number;
}

/** One world a runtime: a provider that is replaced after a change of its configuration finds its servers again. */
const worlds = new WeakMap<Runtime, Map<string, Shared>>();

export class LocalCloud implements CloudPort {
  readonly cloud: FakeCloud;
  /** Called before each operation. */
  beforeCall: () => void = () => {};
  private readonly release: () => void;

  constructor(runtime: Runtime, name: string) {
    const world = worlds.get(runtime) ?? new Map<string, Shared>();
    worlds.set(runtime, world);
    let shared = world.get(name);
    if (!shared) world.set(name, (shared = { cloud: new FakeCloud(runtime), users: 0 }));
    shared.users++;
    this.cloud = shared.cloud;
    this.release = () => {
      if (--shared.users === 0) world.delete(name);
    };
  }

  create(spec: ServerSpec): Promise<{ readonly id: string; readonly activeInMs: number | null }> {
    return this.call(() => this.cloud.create(spec));
  }

  look(id: string): Promise<ServerLook> {
    return this.call(() => this.cloud.look(id));
  }

  list(): Promise<readonly FakeServer[]> {
    return this.call(() => this.cloud.list());
  }

  delete(id: string): Promise<number> {
    return this.call(() => {
      const goneInMs = this.cloud.delete(id);
      if (goneInMs === null) throw new ProviderError('not-found', `there is no server ${id}`);
      return goneInMs;
    });
  }

  quota(): Promise<Readonly<Record<string, number>>> {
    return this.call(() => this.cloud.quota);
  }

  zones(): Promise<readonly string[]> {
    return this.call(() => this.cloud.zones);
  }

  images(): Promise<readonly FakeImage[]> {
    return this.call(() => this.cloud.listImages());
  }

  close(): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  private async call<T>(work: () => T): Promise<T> {
    this.beforeCall();
    try {
      return work();
    } catch (error) {
      throw error instanceof Refusal ? refusalError(error.kind, error.message, error.serverId) : error;
    }
  }
}
