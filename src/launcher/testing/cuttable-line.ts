/** The way from one client to the coordinator: a test can cut it for a while, or end the session behind the client's back. */
import type { Duplex } from 'node:stream';
import type { Connector } from '@nodepool/zookeeper';
import { opCode } from '@nodepool/zookeeper/internal/protocol/constants';
import { FrameSplitter } from '@nodepool/zookeeper/internal/protocol/framing';
import { type ConnectResponse, decodeConnectResponse } from '@nodepool/zookeeper/internal/protocol/messages/connect';
import { RawClient } from '@nodepool/zookeeper/internal/server/testing/raw-client';

const nowhere = { host: 'in-process', port: 0 };

export class CuttableLine {
  private readonly base: Connector;
  private readonly streams = new Set<Duplex>();
  private session: ConnectResponse | null = null;
  private isCut = false;

  constructor(base: Connector) {
    this.base = base;
  }

  readonly connector: Connector = async (server, signal) => {
    if (this.isCut) throw new Error('the line is cut');
    const stream = await this.base(server, signal);
    this.streams.add(stream);
    stream.once('close', () => this.streams.delete(stream));
    const splitter = new FrameSplitter(64 * 1024 * 1024);
    const onData = (chunk: Buffer) => {
      splitter.push(chunk);
      const first = splitter.next();
      if (!first) return;
      stream.off('data', onData);
      this.session = decodeConnectResponse(first);
    };
    stream.on('data', onData);
    return stream;
  };

  cut(): void {
    this.isCut = true;
    for (const stream of this.streams) stream.destroy();
  }

  restore(): void {
    this.isCut = false;
  }

  /** As if its time had run out: the ephemerals are gone when it resolves. The line stays cut until `restore`. */
  async endSession(): Promise<void> {
    const { session } = this;
    if (!session) throw new Error('there is no session yet');
    this.cut();
    const raw = new RawClient(await this.base(nowhere, new AbortController().signal));
    await raw.handshake({ sessionId: session.sessionId, password: session.password, timeoutMs: session.timeoutMs });
    await raw.request(opCode.closeSession);
    raw.stream.destroy();
  }
}
