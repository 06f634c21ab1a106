/** A launcher as a program, ours or the Python one, on an Apache ZooKeeper of its own. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { isBroken } from '../../../src/records/broken.ts';
import type { NodeRecord } from '../../../src/records/node.ts';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { Operations } from '../../../src/store/transactions/operations.ts';
import { Store } from '../../../src/store/mirrors/store.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { type Apache, freePorts, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Running, Workplace } from '../../interop/support/programs.ts';

export type Side = 'ours' | 'peer';

const log = { warn() {}, error() {} };

export class LauncherBeside {
  readonly running: Running;
  readonly store: Store;
  private readonly apache: Apache;
  private readonly place: Workplace;
  private readonly client: ZooKeeper;
  private readonly sections: string;

  private constructor(
    apache: Apache,
    place: Workplace,
    client: ZooKeeper,
    store: Store,
    running: Running,
    sections: string,
  ) {
    this.apache = apache;
    this.place = place;
    this.client = client;
    this.store = store;
    this.running = running;
    this.sections = sections;
  }

  /** `config`: labels and providers. The Python one is the program that NODEPOOL_TEST_PEER names. */
  static async start(side: Side, config: string, kubeconfig: string): Promise<LauncherBeside> {
    const place = new Workplace();
    const apache = await startApache(1);
    const { plain, secure } = apache.servers[0]!;
    const [webPort] = await freePorts(1);
    const { ca, cert, key } = apache.tls;
    const tls = Object.entries({ ca, cert, key }).map(
      ([name, pem]) => `${name}: ${place.file(`${name}.pem`, String(pem))}`,
    );
    const sections = `zookeeper-servers: [{host: 127.0.0.1, port: ${secure.port}}]
zookeeper-tls: {${tls.join(', ')}}
webapp: {port: ${webPort}, listen_address: 127.0.0.1}
`;
    const path = place.file('nodepool.yaml', sections + config);
    const env = { KUBECONFIG: kubeconfig };
    const running =
      side === 'ours'
        ? place.start('nodepool-launcher', ['-f', '-c', path], env)
        : place.spawn(`${peerProgram()}-launcher`, ['-d', '-c', path], env);
    const client = createZooKeeper({ servers: [plain], runtime: systemRuntime });
    const store = await Store.open({ client, runtime: systemRuntime, log });
    return new LauncherBeside(apache, place, client, store, running, sections);
  }

  /** The launcher reads it again; the Python one within a second or two. */
  configure(config: string): void {
    // At once: half a file would be refused, and a launcher that is just starting would end.
    renameSync(this.place.file('next.yaml', this.sections + config), join(this.place.directory, 'nodepool.yaml'));
  }

  nodes(): NodeRecord[] {
    return [...this.store.nodes.all()].flatMap(({ node }) => (node && !isBroken(node) ? [node] : []));
  }

  /** As a consumer does it that has no use for them any more. */
  async useUp(): Promise<void> {
    const operations = new Operations(this.store);
    await Promise.all(
      this.nodes().map(async ({ id }) => {
        const held = await operations.lockNode(id, { expect: (node) => node.state === 'ready' });
        if (!held.ok) return;
        await held.node.write({ state: 'used' });
        await held.node.release();
      }),
    );
  }

  async stop(): Promise<void> {
    await this.store.close();
    await this.client.close();
    await this.place.clear();
    await this.apache.close();
  }
}

function peerProgram(): string {
  const { NODEPOOL_TEST_PEER: peer } = process.env;
  if (!peer) throw new Error("NODEPOOL_TEST_PEER names the Python Nodepool's program `nodepool`");
  return peer;
}
