/** The servers of an ensemble, in an order of their own for each round, so that clients spread over them. */
import type { Runtime } from '../../runtime/runtime.ts';
import type { ServerAddress } from '../../contract/types.ts';

export class ServerList {
  private servers: readonly ServerAddress[];
  private readonly runtime: Pick<Runtime, 'random'>;
  private round: ServerAddress[] = [];

  constructor(servers: readonly ServerAddress[], runtime: Pick<Runtime, 'random'>) {
    this.servers = servers;
    this.runtime = runtime;
  }

  get size(): number {
    return this.servers.length;
  }

  has({ host, port }: ServerAddress): boolean {
    return this.servers.some((server) => server.host === host && server.port === port);
  }

  replace(servers: readonly ServerAddress[]): void {
    this.servers = servers;
    this.round = [];
  }

  next(): ServerAddress {
    if (this.round.length === 0) {
      this.round = [...this.servers];
      for (let i = this.round.length - 1; i > 0; i--) {
        const j = Math.floor(this.runtime.random() * (i + 1));
        [this.round[i], this.round[j]] = [this.round[j]!, this.round[i]!];
      }
    }
    return this.round.shift()!;
  }
}
