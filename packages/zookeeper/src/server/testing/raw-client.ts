/** A client of bare frames, for tests that must see exactly what a server says. Answers come in the order of the requests. */
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import { opCode, xid } from '../../protocol/constants.ts';
import { FrameSplitter } from '../../protocol/framing.ts';
import { JuteReader, JuteWriter } from '../../protocol/jute.ts';
import {
  type ConnectRequest,
  type ConnectResponse,
  decodeConnectResponse,
  encodeConnectRequest,
} from '../../protocol/messages/connect.ts';
import { readEvent, type WireEvent } from '../../protocol/messages/event.ts';
import { readReplyHeader } from '../../protocol/messages/header.ts';

export interface Answer {
  readonly xid: number;
  readonly zxid: bigint;
  readonly error: number;
  readonly body: JuteReader;
}

export class RawClient {
  readonly events: WireEvent[] = [];
  readonly stream: Duplex;
  session: ConnectResponse | null = null;
  /** What came in order: `event …` and `answer <xid>`. */
  readonly order: string[] = [];
  readonly closed: Promise<void>;
  private readonly splitter = new FrameSplitter(64 * 1024 * 1024);
  private readonly waiting: ((answer: Answer | ConnectResponse) => void)[] = [];
  private nextXid = 1;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      this.splitter.push(chunk);
      for (let frame = this.splitter.next(); frame; frame = this.splitter.next()) this.receive(frame);
    });
    stream.on('error', () => undefined);
    this.closed = new Promise((resolve) => stream.once('close', () => resolve()));
  }

  static async tcp(port: number): Promise<RawClient> {
    const socket = connectTcp({ host: '127.0.0.1', port, noDelay: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawClient(socket);
  }

  /** Opens the stream and a session. */
  static async open(port: number, request: Partial<ConnectRequest> = {}): Promise<RawClient> {
    const client = await RawClient.tcp(port);
    await client.handshake(request);
    return client;
  }

  async handshake(request: Partial<ConnectRequest> = {}): Promise<ConnectResponse> {
    const password = Buffer.alloc(16);
    const frame = encodeConnectRequest({
      lastZxidSeen: 0n,
      timeoutMs: 10_000,
      sessionId: 0n,
      password,
      readOnly: false,
      ...request,
    });
    this.session = (await this.expect(() => this.stream.write(frame))) as ConnectResponse;
    return this.session;
  }

  request(
    op: number,
    write: (w: JuteWriter) => unknown = () => undefined,
    id: number = this.nextXid++,
  ): Promise<Answer> {
    const w = new JuteWriter().int(id).int(op);
    write(w);
    const frame = w.frame();
    return this.expect(() => this.stream.write(frame)) as Promise<Answer>;
  }

  ping(): Promise<Answer> {
    return this.request(opCode.ping, undefined, xid.ping);
  }

  async close(): Promise<void> {
    if (!this.stream.destroyed) {
      await this.request(opCode.closeSession);
      this.stream.end();
    }
    await this.closed;
  }

  private expect(send: () => void): Promise<Answer | ConnectResponse> {
    return new Promise((resolve, reject) => {
      this.waiting.push(resolve);
      void this.closed.then(() => reject(new Error('the connection was closed')));
      send();
    });
  }

  private receive(frame: Buffer): void {
    if (!this.session && this.waiting.length > 0) {
      this.waiting.shift()!(decodeConnectResponse(frame));
      return;
    }
    const body = new JuteReader(Buffer.from(frame));
    const header = readReplyHeader(body);
    if (header.xid === xid.notification) {
      const event = readEvent(body);
      if (event) this.events.push(event);
      this.order.push(`event ${event?.type} ${event?.path}`);
      return;
    }
    this.order.push(`answer ${header.xid}`);
    this.waiting.shift()?.({ ...header, body });
  }
}
