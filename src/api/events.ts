/**
 * `/events`: every change of a request, a node or an image, as server-sent events. A client reads the lists after the event
 * `hello`; from then on it misses no change until its connection ends. A client that reads too slowly is disconnected, so that
 * it costs neither the others nor the launcher anything.
 */
import type { ServerResponse } from 'node:http';
import { isBroken } from '../records/broken.ts';
import type { Logger } from '../base/logger.ts';
import type { Runtime, Timer } from '../base/runtime.ts';
import type { Store } from '../store/mirrors/store.ts';
import type { NodeEntry, RequestEntry } from '../store/mirrors/views.ts';
import { ImageFollower } from '../store/mirrors/image-follower.ts';
import { refuse } from './http/respond.ts';
import type { ApiRequest } from './http/server.ts';

const mostClients = 32;
/** Bytes that wait for one client, because the network has not taken them yet. */
const mostBufferedBytes = 1_048_576;
/** Changes come in bursts: those of this time are sent as one chunk. */
const gatherMs = 50;
const mostGatheredCharacters = 262_144;
/** A comment is sent this often, so that neither end nor a proxy takes the connection for dead. */
const heartbeatMs = 15_000;

type Shown = Readonly<Record<string, unknown>>;

export class EventStream {
  private readonly store: Store;
  private readonly runtime: Runtime;
  private readonly log: Logger;
  private readonly clients = new Set<ServerResponse>();
  private gathered: string[] = [];
  private gatheredCharacters = 0;
  private lastId = 0;
  private flushTimer: Timer | null = null;
  private heartbeat: Timer | null = null;
  private followed: { readonly images: ImageFollower; end(): void } | null = null;
  /** Clients that were disconnected because they read too slowly. */
  dropped = 0;

  constructor(store: Store, runtime: Runtime, log: Logger) {
    this.store = store;
    this.runtime = runtime;
    this.log = log;
  }

  get size(): number {
    return this.clients.size;
  }

  /** Answers a client with the stream. */
  readonly route = ({ http }: ApiRequest, response: ServerResponse): void => {
    if (this.clients.size >= mostClients) return refuse(http, response, 503, { 'Retry-After': '10' });
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // Proxies that gather answers would keep the events back.
      'X-Accel-Buffering': 'no',
    });
    if (http.method === 'HEAD') {
      response.end();
      return;
    }
    // The changes gathered so far are older than the lists that this client will read.
    this.flush();
    response.write('retry: 3000\n\n');
    this.clients.add(response);
    response.on('close', () => {
      this.clients.delete(response);
      if (this.clients.size === 0) this.rest();
    });
    void this.follow().ready.then(() => {
      if (this.clients.has(response)) response.write('event: hello\ndata: {}\n\n');
    });
  };

  close(): void {
    this.flush();
    for (const client of this.clients) client.end();
    this.rest();
  }

  private follow(): ImageFollower {
    if (this.followed) return this.followed.images;
    const { store } = this;
    const images = new ImageFollower(
      store.client,
      this.runtime,
      (kind, identity, before, after) => this.changed(kind, identity, before, after),
      (error) => this.log.warn({ err: error }, 'Following the changes of images failed, trying again'),
    );
    const offs = [
      store.nodes.onChange((id, before, after) => this.changed('node', { id }, shownNode(before), shownNode(after))),
      store.requests.onChange((id, before, after) =>
        this.changed('request', { id }, shownRequest(before), shownRequest(after)),
      ),
      () => images.close(),
    ];
    this.followed = { images, end: () => offs.forEach((off) => off()) };
    this.beat();
    return images;
  }

  /** Without a client nothing is followed, so that the stream costs nothing. */
  private rest(): void {
    this.followed?.end();
    this.followed = null;
    this.heartbeat?.cancel();
    this.flushTimer?.cancel();
    this.flushTimer = null;
    this.gathered = [];
    this.gatheredCharacters = 0;
  }

  /** `identity` names the thing also when it is removed. */
  private changed(kind: string, identity: Shown, before: Shown | null, after: Shown | null): void {
    const data = JSON.stringify({ ...identity, ...(after ?? { state: null }) });
    if (before === null ? after === null : after !== null && data === JSON.stringify({ ...identity, ...before }))
      return;
    const change = before === null ? 'created' : after === null ? 'removed' : 'changed';
    const event = `id: ${++this.lastId}\nevent: ${kind}-${change}\ndata: ${data}\n\n`;
    this.gathered.push(event);
    this.gatheredCharacters += event.length;
    if (this.gatheredCharacters > mostGatheredCharacters) this.flush();
    else this.flushTimer ??= this.runtime.setBackgroundTimer(gatherMs, () => this.flush());
  }

  private flush(): void {
    this.flushTimer?.cancel();
    this.flushTimer = null;
    if (this.gathered.length === 0) return;
    const chunk = Buffer.from(this.gathered.join(''));
    this.gathered = [];
    this.gatheredCharacters = 0;
    this.write(chunk);
  }

  private write(chunk: Buffer): void {
    for (const client of this.clients) {
      client.write(chunk);
      if (client.writableLength <= mostBufferedBytes) continue;
      this.dropped++;
      this.clients.delete(client);
      client.destroy();
    }
  }

  private beat(): void {
    this.heartbeat = this.runtime.setBackgroundTimer(heartbeatMs, () => {
      this.write(Buffer.from(': still here\n\n'));
      if (this.clients.size > 0) this.beat();
    });
  }
}

function shownNode(entry: NodeEntry | undefined): Shown | null {
  const node = entry?.node;
  if (!node || isBroken(node)) return null;
  return {
    state: node.state,
    provider: node.provider,
    pool: node.pool,
    label: node.labels,
    allocated_to: node.allocatedTo,
    locked: entry.locked,
  };
}

function shownRequest(entry: RequestEntry | undefined): Shown | null {
  if (!entry || isBroken(entry.request)) return null;
  const { state, provider, nodeTypes, nodes, relativePriority, declinedBy } = entry.request;
  return {
    state,
    provider,
    node_types: nodeTypes,
    nodes,
    relative_priority: relativePriority,
    declined_by: declinedBy,
  };
}
