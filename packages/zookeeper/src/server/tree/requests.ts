/** What each request of a client does, and what its answer holds. Throws Refusal, or ProtocolError for senseless bytes. */
import type { Runtime } from '../../runtime/runtime.ts';
import { errorCode, opCode, permission } from '../../protocol/constants.ts';
import type { JuteReader, JuteWriter } from '../../protocol/jute.ts';
import { getAclMessage, type GetAclResponse, setAclMessage, type SetAclRequest } from '../../protocol/messages/acl.ts';
import { authMessage, type AuthRequest } from '../../protocol/messages/auth.ts';
import { checkMessage } from '../../protocol/messages/check.ts';
import { type CreateRequest, readCreate, writeCreated } from '../../protocol/messages/create.ts';
import { deleteMessage } from '../../protocol/messages/delete.ts';
import { existsMessage } from '../../protocol/messages/exists.ts';
import {
  getAllChildrenNumberMessage,
  getChildren2Message,
  getChildrenMessage,
} from '../../protocol/messages/get-children.ts';
import { getDataMessage } from '../../protocol/messages/get-data.ts';
import { getEphemeralsMessage } from '../../protocol/messages/get-ephemerals.ts';
import type { Message, WatchingRequest } from '../../protocol/messages/message.ts';
import { multiMessage, multiReadMessage, type WireOperation, type WireResult } from '../../protocol/messages/multi.ts';
import { setDataMessage, type SetDataRequest } from '../../protocol/messages/set-data.ts';
import { syncMessage } from '../../protocol/messages/sync.ts';
import {
  addWatchMessage,
  checkWatchesMessage,
  removeWatchesMessage,
  setWatches2Message,
  setWatchesMessage,
} from '../../protocol/messages/watches.ts';
import { digestIdentity, isAllowed, maskedAcl } from './acl.ts';
import type { Database, Transaction } from './database.ts';
import type { Peer, ServerSession } from './peer.ts';
import { Refusal, RefusedTransaction } from './refusal.ts';
import type { WatchRequests } from './watch-requests.ts';
import type { WatchTable } from './watch-table.ts';
import { lengthOf, noData, statOf, type Znode } from './znode.ts';

/** Writes the body of an answer; null where there is none. */
export type Body = ((w: JuteWriter) => void) | null;

export interface RequestsDeps {
  readonly database: Database;
  readonly watches: WatchTable<Peer>;
  readonly watchRequests: WatchRequests;
  readonly runtime: Runtime;
  /** Stores a transaction and fires its watches. */
  readonly publish: (transaction: Transaction) => void;
}

const noNames: ReadonlySet<string> = new Set();
const mostIdentities = 64;
/** A multiRead may name a large znode many times: its answer is limited, not only its request. */
const mostMultiReadBytes = 32 * 1024 * 1024;

export class Requests {
  private readonly deps: RequestsDeps;

  constructor(deps: RequestsDeps) {
    this.deps = deps;
  }

  perform(peer: Peer, session: ServerSession, op: number, r: JuteReader): Body {
    switch (op) {
      case opCode.ping:
        return null;
      case opCode.create:
      case opCode.create2:
      case opCode.createContainer:
      case opCode.createTtl:
        return this.create(readCreate(r, op), session, peer);
      case opCode.delete:
        this.write(deleteMessage.readRequest(r), session, peer);
        return null;
      case opCode.setData:
        return this.setData(setDataMessage.readRequest(r), session, peer);
      case opCode.check:
        this.write(checkMessage.readRequest(r), session, peer);
        return null;
      case opCode.exists:
        return this.exists(existsMessage.readRequest(r), peer);
      case opCode.getData:
        return this.getData(getDataMessage.readRequest(r), peer);
      case opCode.getChildren: {
        const { children } = this.readChildren(getChildrenMessage.readRequest(r), peer);
        return answer(getChildrenMessage, children ?? noNames);
      }
      case opCode.getChildren2: {
        const node = this.readChildren(getChildren2Message.readRequest(r), peer);
        return answer(getChildren2Message, { children: node.children ?? noNames, stat: statOf(node) });
      }
      case opCode.getAllChildrenNumber: {
        const { path } = getAllChildrenNumberMessage.readRequest(r);
        const { database } = this.deps;
        return answer(getAllChildrenNumberMessage, database.countBelow(database.read(path, peer.identities)));
      }
      case opCode.getEphemerals:
        return answer(getEphemeralsMessage, this.ephemerals(getEphemeralsMessage.readRequest(r).path, session));
      case opCode.sync:
        return answer(syncMessage, syncMessage.readRequest(r));
      case opCode.getAcl:
        return answer(getAclMessage, this.acl(getAclMessage.readRequest(r).path, peer));
      case opCode.setAcl:
        return this.setAcl(setAclMessage.readRequest(r), peer);
      case opCode.multi:
        return answer(multiMessage, this.multi(multiMessage.readRequest(r), session, peer));
      case opCode.multiRead:
        return answer(multiReadMessage, this.multiRead(multiReadMessage.readRequest(r), peer));
      case opCode.auth:
        this.auth(authMessage.readRequest(r), peer);
        return null;
      case opCode.setWatches:
        this.deps.watchRequests.rearm(peer, setWatchesMessage.readRequest(r));
        return null;
      case opCode.setWatches2:
        this.deps.watchRequests.rearm(peer, setWatches2Message.readRequest(r));
        return null;
      case opCode.addWatch:
        this.deps.watchRequests.add(peer, addWatchMessage.readRequest(r));
        return answer(addWatchMessage, undefined);
      case opCode.checkWatches:
        this.deps.watchRequests.check(peer, checkWatchesMessage.readRequest(r));
        return null;
      case opCode.removeWatches:
        this.deps.watchRequests.remove(peer, removeWatchesMessage.readRequest(r));
        return null;
      default:
        throw new Refusal(errorCode.unimplemented);
    }
  }

  // --- reading

  private exists({ path, watch }: WatchingRequest, peer: Peer): Body {
    // Nobody needs a right to learn that a znode exists, as with Apache.
    if (watch) this.deps.watches.add('data', path, peer);
    const node = this.deps.database.nodes.get(path);
    if (!node) throw new Refusal(errorCode.noNode);
    return answer(existsMessage, statOf(node));
  }

  private getData({ path, watch }: WatchingRequest, peer: Peer): Body {
    const node = this.deps.database.read(path, peer.identities);
    if (watch) this.deps.watches.add('data', path, peer);
    return answer(getDataMessage, { data: node.data, stat: statOf(node) });
  }

  private readChildren({ path, watch }: WatchingRequest, peer: Peer): Znode {
    const node = this.deps.database.read(path, peer.identities);
    if (watch) this.deps.watches.add('children', path, peer);
    return node;
  }

  private ephemerals(prefix: string, session: ServerSession): string[] {
    const own = this.deps.database.ephemerals.get(session.id) ?? [];
    return [...own].filter((path) => path.startsWith(prefix.trim()));
  }

  private acl(path: string, peer: Peer): GetAclResponse {
    const node = this.deps.database.read(path, peer.identities, permission.read | permission.admin);
    const acl = isAllowed(node.acl, permission.admin, peer.identities) ? node.acl : maskedAcl(node.acl);
    return { acl, stat: statOf(node) };
  }

  private multiRead(operations: readonly WireOperation[], peer: Peer): WireResult[] {
    let bytes = 0;
    return operations.map((operation): WireResult => {
      try {
        const node = this.deps.database.read(operation.path, peer.identities);
        bytes += lengthOf(node) + (node.children?.size ?? 0) * 16;
        if (bytes > mostMultiReadBytes) throw new Refusal(errorCode.badArguments);
        if (operation.type === 'get') return { type: 'get', data: node.data, stat: statOf(node) };
        if (operation.type === 'children') return { type: 'children', children: [...(node.children ?? [])] };
        throw new Refusal(errorCode.unimplemented);
      } catch (error) {
        if (error instanceof Refusal) return { type: 'error', error: error.code };
        throw error;
      }
    });
  }

  // --- writing

  private create(request: CreateRequest, session: ServerSession, peer: Peer): Body {
    const created = this.write(request, session, peer) as Extract<WireResult, { type: 'create' }>;
    return (w) => writeCreated(w, created);
  }

  private setData(request: SetDataRequest, session: ServerSession, peer: Peer): Body {
    const { stat } = this.write(request, session, peer) as Extract<WireResult, { type: 'set' }>;
    return answer(setDataMessage, stat);
  }

  private write(operation: WireOperation, session: ServerSession, peer: Peer): WireResult {
    return this.apply([operation], session, peer).results[0]!;
  }

  private multi(operations: readonly WireOperation[], session: ServerSession, peer: Peer): readonly WireResult[] {
    try {
      return this.apply(operations, session, peer).results;
    } catch (error) {
      if (!(error instanceof RefusedTransaction)) throw error;
      return operations.map((_operation, index): WireResult => {
        if (index === error.index) return { type: 'error', error: error.code };
        return { type: 'error', error: index < error.index ? errorCode.ok : errorCode.runtimeInconsistency };
      });
    }
  }

  private apply(operations: readonly WireOperation[], session: ServerSession, peer: Peer): Transaction {
    const { database, runtime } = this.deps;
    const transaction = database.apply(operations, session.id, peer.identities, runtime.nowMs());
    this.deps.publish(transaction);
    return transaction;
  }

  private setAcl({ path, acl, aversion }: SetAclRequest, peer: Peer): Body {
    const { database } = this.deps;
    this.deps.publish(database.setAcl(path, acl, aversion, peer.identities));
    return answer(setAclMessage, statOf(database.nodes.get(path)!));
  }

  private auth({ scheme, auth }: AuthRequest, peer: Peer): void {
    // The address of the connection is known anyway.
    if (scheme === 'ip') return;
    if (scheme !== 'digest') throw new Refusal(errorCode.authFailed);
    const identity = digestIdentity(Buffer.from(auth ?? noData).toString('utf8'));
    if (peer.identities.some((known) => known.scheme === identity.scheme && known.id === identity.id)) return;
    if (peer.identities.length >= mostIdentities) throw new Refusal(errorCode.authFailed);
    peer.identities.push(identity);
  }
}

function answer<Given>(message: Pick<Message<unknown, unknown, Given>, 'writeResponse'>, response: Given): Body {
  return (w) => message.writeResponse(w, response);
}
