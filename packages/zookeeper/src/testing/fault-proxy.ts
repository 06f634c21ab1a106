/** A TCP proxy that misbehaves on demand: delays, stalls, freezes, resets, cuts in the middle of a frame. For tests. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ServerAddress } from '../contract/types.ts';

export class FaultProxy {
  readonly address: ServerAddress;
  private readonly server: Server;
  private readonly pairs = new Set<[Socket, Socket]>();
  private stalled = false;
  private refusing = false;
  private frozen = false;
  private cutAfterBytes: number | null = null;
  private delayMs = 0;

  private constructor(server: Server, target: ServerAddress, port: number) {
    this.server = server;
    this.address = { host: '127.0.0.1', port };
    server.on('connection', (near) => this.join(near, target));
  }

  static async open(target: ServerAddress): Promise<FaultProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new FaultProxy(server, target, address.port);
  }

  get connections(): number {
    return this.pairs.size;
  }

  /** Each piece from the server comes this much later. */
  delay(ms: number): void {
    this.delayMs = ms;
  }

  /** Resets all connections; new ones are taken. */
  reset(): void {
    for (const [near, far] of this.pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  /** Half-open: connections stand but nothing passes any more; new ones are taken and stay silent. */
  stall(): void {
    this.stalled = true;
  }

  /** Nothing passes until `thaw`, then everything does: a network that stands still for a while. */
  freeze(): void {
    this.frozen = true;
    for (const socket of [...this.pairs].flat()) socket.pause();
  }

  thaw(): void {
    this.frozen = false;
    for (const socket of [...this.pairs].flat()) socket.resume();
  }

  /** New connections are reset. */
  refuse(): void {
    this.refusing = true;
    this.reset();
  }

  heal(): void {
    this.stalled = false;
    this.refusing = false;
    this.delayMs = 0;
    this.cutAfterBytes = null;
    this.thaw();
  }

  /** Passes that many bytes from the server, then resets: in the middle of a frame, most likely. */
  cutAfter(bytes: number): void {
    this.cutAfterBytes = bytes;
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, target: ServerAddress): void {
    if (this.refusing) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ ...target, noDelay: true });
    const pair: [Socket, Socket] = [near, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', end);
    }
    near.on('data', (chunk: Buffer) => {
      if (!this.stalled) far.write(chunk);
    });
    // In order, also when the delay changes.
    const late: (() => void)[] = [];
    let lastAtMs = 0;
    const pass = (send: () => void) => {
      const nowMs = performance.now();
      lastAtMs = Math.max(lastAtMs, nowMs + this.delayMs);
      if (late.length === 0 && this.delayMs === 0) return send();
      late.push(send);
      setTimeout(() => late.shift()!(), lastAtMs - nowMs);
    };
    far.on('data', (chunk: Buffer) => {
      if (this.stalled) return;
      if (this.cutAfterBytes !== null) {
        if (chunk.length >= this.cutAfterBytes) {
          const part = chunk.subarray(0, this.cutAfterBytes);
          pass(() => near.write(part, () => near.resetAndDestroy()));
          this.cutAfterBytes = null;
          // Nothing may come after the cut.
          far.pause();
          return;
        }
        this.cutAfterBytes -= chunk.length;
      }
      pass(() => near.write(chunk));
    });
    if (this.frozen) for (const socket of pair) socket.pause();
  }
}
