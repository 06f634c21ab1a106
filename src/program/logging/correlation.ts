/**
 * Adds to a line about a node the request that has it, and to a line about a request the event of its consumer, so that one
 * search finds everything that happened to an event. The mirrors tell both; a memory serves for what has just left them.
 */
import type { Logger } from '../../base/logger.ts';
import { isBroken } from '../../records/broken.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { Newest } from '../../base/bounded-map.ts';

const mostRemembered = 10_000;

/** The part of a store that tells who belongs to whom. */
export type Records = Pick<Store, 'nodes' | 'requests'>;

type LevelledLogger = Logger & { isLevelEnabled?(level: string): boolean };

export class Correlation {
  private readonly store: Records;
  /** Events of requests, and requests of nodes, that have left the tree; the oldest first. */
  private readonly events = new Newest<string>(mostRemembered);
  private readonly owners = new Newest<string>(mostRemembered);
  private readonly unfollow: readonly (() => void)[];

  constructor(store: Records) {
    this.store = store;
    this.unfollow = [
      store.requests.onChange((id, before, after) => {
        const request = before?.request;
        if (after || !request || isBroken(request) || !request.eventId) return;
        this.events.set(id, request.eventId);
      }),
      store.nodes.onChange((id, before, after) => {
        const owner = before?.node && !isBroken(before.node) ? before.node.allocatedTo : null;
        const next = after?.node && !isBroken(after.node) ? after.node.allocatedTo : null;
        if (owner && owner !== next) this.owners.set(id, owner);
      }),
    ];
  }

  close(): void {
    for (const off of this.unfollow) off();
  }

  /** A logger that completes the ids of each line. */
  of(log: LevelledLogger): Logger {
    const at = (level: keyof Logger) => (fields: object, message: string) => {
      if (log.isLevelEnabled?.(level) === false) return;
      log[level](this.completed(fields), message);
    };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  private completed(fields: Ids): object {
    const key = typeof fields.key === 'string' ? fields.key : undefined;
    const nodeId = fields.nodeId ?? (key !== undefined && this.store.nodes.get(key) ? key : undefined);
    const requestId =
      fields.requestId ?? this.ownerOf(nodeId) ?? (key !== undefined && this.store.requests.get(key) ? key : undefined);
    const eventId = fields.eventId ?? this.eventOf(requestId);
    const ids = { ...(eventId ? { eventId } : {}), ...(requestId ? { requestId } : {}), ...(nodeId ? { nodeId } : {}) };
    // The ids stand in front, and replace those that the fields have as null.
    return { ...ids, ...fields, ...ids };
  }

  private ownerOf(nodeId: string | null | undefined): string | null {
    if (!nodeId) return null;
    const node = this.store.nodes.get(nodeId)?.node;
    return (node && !isBroken(node) ? node.allocatedTo : null) ?? this.owners.get(nodeId);
  }

  private eventOf(requestId: string | null | undefined): string | null {
    if (!requestId) return null;
    const request = this.store.requests.get(requestId)?.request;
    return (request && !isBroken(request) ? request.eventId : null) ?? this.events.get(requestId);
  }
}

interface Ids {
  readonly nodeId?: string | null;
  readonly requestId?: string | null;
  readonly eventId?: string | null;
  /** The key of a keyed queue: the id of a node or a request, or something else. */
  readonly key?: unknown;
}
