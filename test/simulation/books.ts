/**
 * What the tree says, kept from the transactions themselves and read with plain JSON.parse: the view of those who check the
 * promises. Uses nothing of the code that is being checked.
 */
import type { Transaction } from '@nodepool/zookeeper/internal/server/tree/database';
import type { SimulatedZooKeeper } from '@nodepool/zookeeper/internal/testing/simulated-zookeeper';
import type { Document, DocumentKind } from './documents.ts';

export interface NodeBook {
  readonly id: string;
  /** null: it has gone. */
  document: Document | null;
  /** Names of clients by contender. */
  readonly contenders: Map<string, string>;
  /** Has once been anything that it can't come back from. */
  spent: boolean;
  /** The fulfilled request that it was given to and that still exists. */
  handedTo: string | null;
}

export interface RequestBook {
  readonly id: string;
  document: Document | null;
  readonly contenders: Map<string, string>;
  /** The client that made it. */
  readonly by: string;
  readonly madeMs: number;
  /** Since when it has been neither fulfilled nor failed. */
  openSinceMs: number;
}

export interface PoolBook {
  readonly id: string;
  readonly sinceMs: number;
  readonly labels: readonly string[];
}

export interface Before {
  readonly document: Document | null;
  readonly holder: string | null;
}

/** What one transaction has changed. */
export interface Change {
  readonly by: string | null;
  readonly nodes: ReadonlyMap<NodeBook, Before>;
  readonly requests: ReadonlyMap<RequestBook, Before>;
  readonly written: readonly { readonly kind: DocumentKind; readonly document: Document; readonly path: string }[];
}

const text = (document: Document | null, key: string): string | null => {
  const value = document?.[key];
  return typeof value === 'string' ? value : null;
};
export const stateOf = (document: Document | null): string | null => text(document, 'state');
export const allocatedTo = (document: Document | null): string | null => text(document, 'allocated_to');
export const externalId = (document: Document | null): string | null => text(document, 'external_id');
export const textOf = text;

/** Who stands first in a lock. */
export function holderOf(contenders: ReadonlyMap<string, string>): string | null {
  let first: string | null = null;
  let holder: string | null = null;
  for (const [name, by] of contenders) {
    const sequence = name.slice(-10);
    if (first !== null && sequence >= first) continue;
    first = sequence;
    holder = by;
  }
  return holder;
}

export class Books {
  readonly nodes = new Map<string, NodeBook>();
  readonly requests = new Map<string, RequestBook>();
  readonly pools = new Map<string, PoolBook>();
  /** The node that an instance was first written to. */
  readonly nodeOfInstance = new Map<string, NodeBook>();
  private readonly zk: () => SimulatedZooKeeper;
  private readonly nowMs: () => number;

  constructor(zk: () => SimulatedZooKeeper, nowMs: () => number) {
    this.zk = zk;
    this.nowMs = nowMs;
  }

  apply(transaction: Transaction, by: string | null): Change {
    const nodes = new Map<NodeBook, Before>();
    const requests = new Map<RequestBook, Before>();
    const written: { kind: DocumentKind; document: Document; path: string }[] = [];
    for (const { type, path } of transaction.events) {
      const parts = path.split('/');
      if (parts[1] !== 'nodepool') continue;
      const [, , room, id, directory, contender] = parts;
      if (id === undefined) continue;
      if (room === 'nodes') {
        const node = this.node(id);
        remember(nodes, node);
        if (directory === undefined) {
          node.document = type === 'deleted' ? null : this.read(path);
          if (node.document) written.push({ kind: 'node', document: node.document, path });
        } else if (contender !== undefined) setContender(node.contenders, contender, type, by);
      } else if (room === 'requests' && directory === undefined) {
        const document = type === 'deleted' ? null : this.read(path);
        const request = this.request(id, by);
        remember(requests, request);
        request.document = document;
        if (document) written.push({ kind: 'request', document, path });
      } else if (room === 'requests-lock' && directory !== undefined) {
        const request = this.requests.get(id);
        if (!request) continue;
        remember(requests, request);
        setContender(request.contenders, directory, type, by);
      } else if (room === 'components' && directory !== undefined) this.component(id, path, type, written);
    }
    return { by, nodes, requests, written };
  }

  /** Those whose znodes are there. */
  *liveNodes(): Iterable<NodeBook & { readonly document: Document }> {
    for (const node of this.nodes.values()) if (node.document) yield node as NodeBook & { document: Document };
  }

  *liveRequests(): Iterable<RequestBook & { readonly document: Document }> {
    for (const request of this.requests.values())
      if (request.document) yield request as RequestBook & { document: Document };
  }

  exists(requestId: string): boolean {
    return (this.requests.get(requestId)?.document ?? null) !== null;
  }

  private node(id: string): NodeBook {
    let node = this.nodes.get(id);
    if (!node) {
      node = { id, document: null, contenders: new Map(), spent: false, handedTo: null };
      this.nodes.set(id, node);
    }
    return node;
  }

  private request(id: string, by: string | null): RequestBook {
    let request = this.requests.get(id);
    if (!request) {
      const now = this.nowMs();
      request = { id, document: null, contenders: new Map(), by: by ?? '', madeMs: now, openSinceMs: now };
      this.requests.set(id, request);
    }
    return request;
  }

  private component(
    kind: string,
    path: string,
    type: string,
    written: { kind: DocumentKind; document: Document; path: string }[],
  ): void {
    if (kind !== 'pool' && kind !== 'launcher') return;
    if (type === 'deleted') {
      this.pools.delete(path);
      return;
    }
    const document = this.read(path);
    written.push({ kind, document, path });
    if (kind !== 'pool') return;
    const labels = document['supported_labels'] as string[];
    const before = this.pools.get(path);
    const isSame = before !== undefined && JSON.stringify(before.labels) === JSON.stringify(labels);
    this.pools.set(path, { id: String(document['id']), sinceMs: isSame ? before.sinceMs : this.nowMs(), labels });
  }

  private read(path: string): Document {
    const entry = this.zk().read(path);
    // Created and deleted in one transaction does not happen here.
    if (!entry) throw new Error(`${path} is not there`);
    return JSON.parse(entry.data.toString()) as Document;
  }
}

function remember<B extends { readonly document: Document | null; readonly contenders: Map<string, string> }>(
  touched: Map<B, Before>,
  book: B,
): void {
  if (!touched.has(book)) touched.set(book, { document: book.document, holder: holderOf(book.contenders) });
}

function setContender(contenders: Map<string, string>, name: string, type: string, by: string | null): void {
  if (type === 'deleted') contenders.delete(name);
  else if (name.includes('__lock__')) contenders.set(name, by ?? '');
}
