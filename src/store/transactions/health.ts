/** This process's health document: an ephemeral znode of our own below `/nodepool/health`, which the Python Nodepool never reads. */
import { encodeHealth, type HealthRecord, parseHealth } from '../../records/health.ts';
import { NodeExistsError, NoNodeError } from '@nodepool/zookeeper';
import { paths } from '../paths.ts';
import type { Store } from '../mirrors/store.ts';

const callTimeoutMs = 5000;

export class HealthHandle {
  private readonly store: Store;
  private readonly path: string;

  constructor(store: Store, hostname: string) {
    this.store = store;
    this.path = `${paths.health}/${hostname}-${store.runtime.randomHex(16)}`;
  }

  /** Creates or replaces it. May be repeated after any error. */
  async write(record: HealthRecord): Promise<void> {
    const { client } = this.store;
    const data = encodeHealth(record);
    const options = { timeoutMs: callTimeoutMs };
    try {
      await client.set(this.path, data, -1, options);
    } catch (error) {
      if (!(error instanceof NoNodeError)) throw error;
      await client.ensurePath(paths.health, options);
      await client.create(this.path, data, { ...options, mode: 'ephemeral' }).catch((failure: unknown) => {
        // Made by a call whose answer was lost: the next write is in time for what is new.
        if (!(failure instanceof NodeExistsError)) throw failure;
      });
    }
  }

  async remove(): Promise<void> {
    await this.store.client.delete(this.path, -1, { timeoutMs: callTimeoutMs }).catch(() => undefined);
  }
}

export interface SeenHealth {
  readonly name: string;
  /** null: it can't be read. */
  readonly record: HealthRecord | null;
  /** Milliseconds since the epoch of the last write, by the clock of the server. */
  readonly writtenMs: number;
}

/** What all launchers say of themselves. */
export async function readHealth(store: Store): Promise<SeenHealth[]> {
  const { client } = store;
  const { children } = await client.children(paths.health).catch((error: unknown) => {
    if (error instanceof NoNodeError) return { children: [] };
    throw error;
  });
  const all = await Promise.all(
    [...children].sort().map(async (name) => {
      try {
        const { data, stat } = await client.get(`${paths.health}/${name}`);
        return { name, record: parseHealth(data), writtenMs: Number(stat.mtime) };
      } catch (error) {
        if (error instanceof NoNodeError) return null;
        throw error;
      }
    }),
  );
  return all.filter((seen) => seen !== null);
}
