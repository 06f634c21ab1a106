/**
 * The steps that a launcher takes on the tree, each in as few transactions as the contract allows (spec: ZooKeeper data model,
 * "The fewest transactions"). What a step does is in the file of what it writes; tests and experiments step in here.
 */
import type { NodeFields, NodeRecord } from '../../records/node.ts';
import type { RequestFields, RequestRecord } from '../../records/request.ts';
import type { Store } from '../mirrors/store.ts';
import type { NodeEntry, RequestEntry } from '../mirrors/views.ts';
import * as deletion from './deletion.ts';
import { fulfil, type HandedNode } from './hand-over.ts';
import type { HeldNode, HeldRequest } from './held.ts';
import * as nodes from './nodes.ts';
import type { Outcome, Refused } from './outcome.ts';
import * as requests from './requests.ts';
import * as sweeps from './sweeps.ts';

export { HeldNode, HeldRequest } from './held.ts';
export type { Outcome, Refused } from './outcome.ts';

export class Operations {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  // --- requests

  createRequest(
    fields: RequestFields,
    priority: string,
    options: { readonly ephemeral: boolean },
  ): Promise<RequestEntry> {
    return requests.createRequest(this.store, fields, priority, options);
  }

  acceptRequest(
    entry: RequestEntry,
    change: RequestFields,
    launched: readonly NodeRecord[],
  ): Promise<requests.AcceptedRequest | Refused> {
    return requests.acceptRequest(this.store, entry, change, launched);
  }

  lockRequest(id: string, expect: (request: RequestRecord) => boolean): Promise<requests.LockedRequest | Refused> {
    return requests.lockRequest(this.store, id, expect);
  }

  fulfil(held: HeldRequest, handed: readonly HandedNode[], fields: RequestFields): Promise<Outcome> {
    return fulfil(this.store, held, handed, fields);
  }

  freeNodesOf(requestId: string, nodeIds: readonly string[]): Promise<void> {
    return requests.freeNodesOf(this.store, requestId, nodeIds);
  }

  requestExists(id: string): Promise<boolean> {
    return requests.requestExists(this.store, id);
  }

  deleteRequest(id: string): Promise<void> {
    return requests.deleteRequest(this.store, id);
  }

  // --- nodes

  createNodes(records: readonly NodeRecord[]): Promise<readonly NodeEntry[]> {
    return nodes.createNodes(this.store, records);
  }

  startBuilding(entry: NodeEntry, fields: NodeFields): Promise<nodes.LockedNode | Refused> {
    return nodes.startBuilding(this.store, entry, fields);
  }

  lockNode(
    id: string,
    options: { readonly expect?: (node: NodeRecord) => boolean } = {},
  ): Promise<nodes.LockedNode | Refused> {
    return nodes.lockNode(this.store, id, options.expect ?? (() => true));
  }

  nodeExists(id: string): Promise<boolean> {
    return nodes.nodeExists(this.store, id);
  }

  startDeleting(id: string, expect: (node: NodeRecord) => boolean): Promise<nodes.LockedNode | Refused> {
    return deletion.startDeleting(this.store, id, expect);
  }

  finishDeleting(held: HeldNode): Promise<void> {
    return deletion.finishDeleting(this.store, held);
  }

  // --- sweeps

  removeBrokenNode(id: string): Promise<void> {
    return sweeps.removeBrokenNode(this.store, id);
  }

  sweepRequestLocks(olderThanMs: number): Promise<void> {
    return sweeps.sweepRequestLocks(this.store, olderThanMs);
  }
}
