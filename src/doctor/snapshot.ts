/** What `doctor` judges: the tree, read once, beside the configuration. Documents in it may have been written by anybody. */
import type { NodepoolConfig } from '../config/model.ts';
import { isBroken } from '../records/broken.ts';
import type { ComponentRecord } from '../records/component.ts';
import type { NodeRecord } from '../records/node.ts';
import type { RequestRecord } from '../records/request.ts';
import { readHealth, type SeenHealth } from '../store/transactions/health.ts';
import { paths } from '../store/paths.ts';
import type { Store } from '../store/mirrors/store.ts';
import { isContender, NoNodeError, sortContenders } from '@nodepool/zookeeper';

/** When a znode was written, by the server's clock, in milliseconds since the epoch. */
interface Written {
  readonly createdMs: number;
  readonly changedMs: number;
  /** 0: nobody has written to the znode since it was made. */
  readonly version: number;
}

export interface SeenRequest extends Written {
  readonly request: RequestRecord;
  readonly locked: boolean;
}

export interface SeenNode extends Written {
  readonly node: NodeRecord;
  readonly locked: boolean;
}

export interface LockHolder {
  readonly sinceMs: number;
  /** ZooKeeper session in hex; 0: a persistent lock. */
  readonly session: string;
  readonly words: string;
}

export interface Snapshot {
  readonly nowMs: number;
  /** Nothing younger than this is a trouble yet. */
  readonly patienceMs: number;
  readonly config: NodepoolConfig;
  readonly launchers: readonly ComponentRecord[];
  readonly pools: readonly ComponentRecord[];
  readonly requests: readonly SeenRequest[];
  readonly nodes: readonly SeenNode[];
  /** Documents that cannot be read. */
  readonly broken: readonly { readonly kind: 'request' | 'node'; readonly id: string; readonly message: string }[];
  /** Lock directories of requests that are not there. */
  readonly strayLocks: readonly { readonly requestId: string; readonly locked: boolean; readonly changedMs: number }[];
  readonly hasUpload: (provider: string, image: string) => boolean;
  readonly health: readonly SeenHealth[];
  /** Who holds the lock of a node; null: nobody any more. */
  readonly holder: (nodeId: string) => Promise<LockHolder | null>;
}

export async function readSnapshot(
  store: Store,
  config: NodepoolConfig,
  times: { readonly nowMs: number; readonly patienceMs: number },
): Promise<Snapshot> {
  const broken: Snapshot['broken'][number][] = [];
  const requests: SeenRequest[] = [];
  for (const { id, request } of store.requests.all()) {
    if (isBroken(request)) broken.push({ kind: 'request', id, message: request.message });
    else
      requests.push({
        request,
        locked: store.requestLocks.isLocked(id),
        ...writtenOf(store.requests, id, times.nowMs),
      });
  }
  const nodes: SeenNode[] = [];
  for (const { id, node, locked } of store.nodes.all()) {
    if (node === null) continue;
    if (isBroken(node)) broken.push({ kind: 'node', id, message: node.message });
    else nodes.push({ node, locked, ...writtenOf(store.nodes, id, times.nowMs) });
  }
  return {
    ...times,
    config,
    launchers: [...store.components.ofKind('launcher')],
    pools: [...store.components.pools()],
    requests,
    nodes,
    broken,
    strayLocks: await readStrayLocks(store),
    hasUpload: (provider, image) => store.images.mostRecentUpload(provider, image) !== undefined,
    health: await readHealth(store),
    holder: (nodeId) => readHolder(store, nodeId),
  };
}

function writtenOf(view: Store['nodes'] | Store['requests'], id: string, nowMs: number): Written {
  const stat = view.mirror.stat(id);
  return stat
    ? { createdMs: Number(stat.ctime), changedMs: Number(stat.mtime), version: stat.version }
    : { createdMs: nowMs, changedMs: nowMs, version: -1 };
}

async function readStrayLocks(store: Store): Promise<Snapshot['strayLocks']> {
  const { client } = store;
  const children = await orElse([], async () => (await client.children(paths.requestLocks)).children);
  const stray = children.filter((id) => !store.requests.get(id)).slice(0, mostLooks);
  const all = await Promise.all(
    stray.map((requestId) =>
      orElse(null, async () => {
        const { children: names, stat } = await client.children(paths.requestLock(requestId));
        // The request may have been made since the requests were read.
        if ((await client.exists(paths.request(requestId))) !== null) return null;
        return { requestId, locked: names.some(isContender), changedMs: Number(stat.mtime) };
      }),
    ),
  );
  return all.filter((lock) => lock !== null);
}

async function readHolder({ client }: Store, nodeId: string): Promise<LockHolder | null> {
  const directory = paths.nodeLock(nodeId);
  return orElse(null, async () => {
    const first = sortContenders((await client.children(directory)).children)[0];
    if (first === undefined) return null;
    const { data, stat } = await client.get(`${directory}/${first}`);
    const words = data.subarray(0, mostWords).toString();
    return { sinceMs: Number(stat.ctime), session: stat.ephemeralOwner.toString(16), words };
  });
}

/** Limits of what is read: a tree may be full of somebody's mistakes. */
const mostLooks = 1000;
const mostWords = 100;

async function orElse<T>(absent: T, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof NoNodeError) return absent;
    throw error;
  }
}
