/** Hears statsd metrics over UDP and keeps every line. */
import { createSocket } from 'node:dgram';

export interface Heard {
  readonly value: string;
  readonly type: string;
  readonly atMs: number;
}

export class StatsdReceiver {
  /** By name, in the order in which they came. */
  readonly heard = new Map<string, Heard[]>();
  readonly malformed: string[] = [];
  private readonly socket = createSocket('udp4');

  private constructor() {
    this.socket.on('message', (message) => {
      for (const line of message.toString().split('\n')) this.hear(line);
    });
  }

  static async open(): Promise<StatsdReceiver> {
    const receiver = new StatsdReceiver();
    await new Promise<void>((resolve) => receiver.socket.bind(0, '127.0.0.1', resolve));
    return receiver;
  }

  /** For programs that are to send here. */
  get env() {
    return { STATSD_HOST: '127.0.0.1', STATSD_PORT: String(this.socket.address().port) };
  }

  last(name: string, type: string): string | undefined {
    return this.heard.get(name)?.findLast((one) => one.type === type)?.value;
  }

  close(): void {
    this.socket.close();
  }

  private hear(line: string): void {
    const [, name, value, type] = /^([^:|@]+):(-?[\d.]+|inf)\|(g|c|ms)$/.exec(line) ?? [];
    if (name === undefined) this.malformed.push(line);
    else this.heard.set(name, [...(this.heard.get(name) ?? []), { value: value!, type: type!, atMs: Date.now() }]);
  }
}
