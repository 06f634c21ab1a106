/** A client's connection to a simulated server: the client's stream, the server's peer, and what gets lost between them. */
import { Duplex } from 'node:stream';
import type { Runtime } from '../runtime/runtime.ts';
import { FrameSplitter } from '../protocol/framing.ts';
import { JuteReader } from '../protocol/jute.ts';
import { decodeConnectRequest } from '../protocol/messages/connect.ts';
import type { Identity } from '../server/tree/acl.ts';
import type { Engine } from '../server/tree/engine.ts';
import type { Peer, ServerSession } from '../server/tree/peer.ts';
import { DelayedPipe } from './delayed-pipe.ts';
import { describeRequest, type SeenRequest } from './seen-request.ts';

/** What befalls one request. */
export type RequestFault =
  | { readonly kind: 'lost-before-commit' }
  | { readonly kind: 'lost-after-commit' }
  | { readonly kind: 'session-expired' }
  | { readonly kind: 'slow'; readonly delayMs: number };

export interface SimulatedConnectionOptions {
  readonly engine: Engine;
  readonly runtime: Runtime;
  /** Of the client. */
  readonly name: string;
  readonly latencyMs: () => number;
  readonly faultOf: (request: SeenRequest) => RequestFault | null;
  readonly onRequest: (request: SeenRequest, fault: RequestFault | null) => void;
  /** Has the engine answer it. */
  readonly perform: (connection: SimulatedConnection, frame: Buffer) => void;
  readonly onClose: (connection: SimulatedConnection) => void;
}

type ToServer = Buffer | 'end' | 'destroyed';
type ToClient = Buffer | 'end';

export class SimulatedConnection implements Peer {
  readonly identities: Identity[] = [{ scheme: 'ip', id: '127.0.0.1' }];
  session: ServerSession | null = null;
  readonly name: string;
  /** The client's end. */
  readonly stream: Duplex;
  private readonly options: SimulatedConnectionOptions;
  private readonly splitter = new FrameSplitter(2 * 1024 * 1024);
  private readonly toServer: DelayedPipe<ToServer>;
  private readonly toClient: DelayedPipe<ToClient>;
  private held: { readonly frame: Buffer; readonly zxid: bigint; readonly slowMs: number }[] = [];
  private greeted = false;
  private slowMs = 0;
  private ending = false;
  private gone = false;
  private frozen = false;
  private resetWhileFrozen = false;

  constructor(options: SimulatedConnectionOptions) {
    this.options = options;
    this.name = options.name;
    this.toServer = new DelayedPipe(options.runtime, options.latencyMs, (item) => this.atServer(item));
    this.toClient = new DelayedPipe(options.runtime, options.latencyMs, (item) => this.atClient(item));
    this.stream = new Duplex({
      allowHalfOpen: false,
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        this.toServer.push(Buffer.from(chunk));
        done();
      },
      final: (done) => {
        this.toServer.push('end');
        done();
      },
      destroy: (error, done) => {
        this.toClient.break();
        this.toServer.push('destroyed');
        done(error);
      },
    });
  }

  /** Half-open: nothing passes any more, and neither side is told. */
  freeze(): void {
    this.frozen = true;
    this.toServer.stop();
    this.toClient.stop();
  }

  thaw(): void {
    this.frozen = false;
    if (this.resetWhileFrozen) this.reset();
    this.toServer.go();
    this.toClient.go();
  }

  // --- the server's side

  send(frame: Buffer, zxid: bigint): void {
    if (this.gone) return;
    const { slowMs } = this;
    this.slowMs = 0;
    const durable = zxid <= this.options.engine.durableZxid;
    if (durable && this.held.length === 0) {
      this.toClient.push(frame, slowMs);
      return;
    }
    this.held.push({ frame, zxid, slowMs });
    if (!durable) this.options.engine.awaitDurable(this);
  }

  release(durable: bigint): boolean {
    while (this.held.length > 0 && this.held[0]!.zxid <= durable) {
      const { frame, slowMs } = this.held.shift()!;
      this.toClient.push(frame, slowMs);
    }
    if (this.held.length > 0) return true;
    if (this.ending) this.finish();
    return false;
  }

  end(): void {
    this.ending = true;
    if (this.held.length === 0) this.finish();
  }

  /** What is on its way, in either direction, is lost. */
  destroy(): void {
    if (!this.leave()) return;
    this.toServer.break();
    this.toClient.break();
    this.options.runtime.setTimer(this.options.latencyMs(), () => this.reset());
  }

  private reset(): void {
    if (this.frozen) this.resetWhileFrozen = true;
    else this.stream.destroy(new Error('connection reset'));
  }

  private finish(): void {
    if (!this.gone) this.toClient.push('end');
    this.leave();
  }

  private leave(): boolean {
    if (this.gone) return false;
    this.gone = true;
    this.held = [];
    this.options.engine.disconnected(this);
    this.options.onClose(this);
    return true;
  }

  private atServer(item: ToServer): void {
    if (item === 'destroyed') {
      this.leave();
      return;
    }
    if (item === 'end') {
      this.end();
      return;
    }
    this.splitter.push(item);
    for (let frame = this.splitter.next(); frame; frame = this.splitter.next()) {
      if (this.gone || this.ending) return;
      if (this.greeted) this.perform(frame);
      else {
        this.greeted = true;
        this.options.engine.connect(this, decodeConnectRequest(frame));
      }
    }
  }

  private perform(frame: Buffer): void {
    const request = describeRequest(this.name, new JuteReader(frame));
    const fault = this.options.faultOf(request);
    this.options.onRequest(request, fault);
    switch (fault?.kind) {
      case 'lost-before-commit':
        this.destroy();
        return;
      case 'lost-after-commit':
        this.options.perform(this, frame);
        this.destroy();
        return;
      case 'session-expired':
        if (this.session) this.options.engine.expire(this.session.id);
        return;
      case 'slow':
        this.slowMs = fault.delayMs;
        break;
      default:
    }
    this.options.perform(this, frame);
  }

  // --- the client's side

  private atClient(item: ToClient): void {
    if (this.stream.destroyed) return;
    if (item === 'end') this.stream.push(null);
    else this.stream.push(item);
  }
}
