/**
 * A tree on an ensemble of ZooKeepers, a cloud in a process of its own with one account, and launchers as programs that can
 * be killed, paused and started again; a Python launcher with a cloud of its own may be among them.
 */
import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { Operations } from '../../../src/store/transactions/operations.ts';
import { Store } from '../../../src/store/mirrors/store.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Running, until, Workplace } from '../../interop/support/programs.ts';

export const labels = ['small', 'large'] as const;
export const account = 'shared';

export interface WorldOptions {
  readonly zookeepers: 1 | 3;
  readonly sessionSeconds: number;
  readonly launchers: number;
  readonly python: boolean;
}

const log = { warn() {}, error() {} };
const peer = fileURLToPath(new URL('../../partners/bench/peer.py', import.meta.url));
const python = process.env.NODEPOOL_TEST_PYTHON ?? join(homedir(), '.cache/nodepool-ci/peer/bin/python');

export interface Member {
  readonly name: string;
  readonly python: boolean;
  running: Running | null;
  /** Ids of its pools, of all its lives. */
  readonly pools: Set<string>;
  paused: boolean;
}

export class World {
  readonly place = new Workplace();
  readonly members: Member[] = [];
  cloud = '';
  apache!: Apache;
  /** Watches only. */
  store!: Store;
  private readonly options: WorldOptions;
  private readonly clients: ZooKeeper[] = [];
  private readonly stores: Store[] = [];

  constructor(options: WorldOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    this.apache = await startApache(this.options.zookeepers);
    const { tls } = this.apache;
    for (const name of ['ca', 'cert', 'key'] as const) {
      writeFileSync(join(this.place.directory, `${name}.pem`), tls[name], { mode: 0o600 });
    }
    const server = this.place.start('nodepool', ['fake-cloud', '--port', '0']);
    this.cloud = await until(
      () => server.output(),
      () => /http:\/\/\S+/.exec(server.output())?.[0],
    );
    this.store = (await this.consumer()).store;
    this.place.file('ours.yaml', this.config('shared', `fake-cloud: {address: '${this.cloud}', account: ${account}}`));
    this.place.file('python.yaml', this.config('fake-python', ''));
    const names = Array.from({ length: this.options.launchers }, (_, n) => `launcher-${n + 1}`);
    if (this.options.python) names.push('python');
    for (const name of names) {
      const member: Member = { name, python: name === 'python', running: null, pools: new Set(), paused: false };
      this.members.push(member);
      await this.launch(member);
    }
  }

  private config(provider: string, more: string): string {
    const file = (name: string) => join(this.place.directory, `${name}.pem`);
    const servers = this.apache.servers.map(({ secure }) => `{host: ${secure.host}, port: ${secure.port}}`);
    const served = labels.map((l) => `{name: ${l}, cloud-image: image, min-ram: 1, host-key-checking: false}`);
    return `
zookeeper-servers: [${servers.join(', ')}]
zookeeper-tls: {ca: ${file('ca')}, cert: ${file('cert')}, key: ${file('key')}}
zookeeper-timeout: ${this.options.sessionSeconds.toFixed(1)}
labels:
  - {name: small, min-ready: ${provider === 'shared' ? 2 : 0}}
  - {name: large}
providers:
  - name: ${provider}
    driver: fake
    cloud: fake
    ${more}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, max-servers: 40, labels: [${served.join(', ')}]}]
`;
  }

  /** Resolves when its pool is registered. */
  async launch(member: Member): Promise<void> {
    const known = new Set([...this.store.components.pools()].map((pool) => pool.id));
    const file = join(this.place.directory, `${member.python ? 'python' : 'ours'}.yaml`);
    member.running = member.python
      ? this.place.spawn(python, [peer, '-c', file])
      : this.place.start('nodepool-launcher', ['-f', '-c', file], { NODEPOOL_TEST_CLEANUP_INTERVAL: '10' });
    member.paused = false;
    const { running } = member;
    await until(
      () => `${member.name} registers its pool:\n${running.output().slice(-3000)}`,
      () => {
        if (running.process.exitCode !== null)
          throw new Error(`${member.name} ended: ${running.output().slice(-3000)}`);
        for (const { id } of this.store.components.pools()) {
          if (id !== null && !known.has(id) && !this.members.some(({ pools }) => pools.has(id))) member.pools.add(id);
        }
        return [...this.store.components.pools()].some(
          ({ id }) => id !== null && !known.has(id) && member.pools.has(id),
        );
      },
      120_000,
    );
  }

  async kill(member: Member): Promise<void> {
    member.running?.process.kill('SIGKILL');
    await member.running?.ended;
    member.running = null;
  }

  pause(member: Member): void {
    member.paused = true;
    member.running?.process.kill('SIGSTOP');
  }

  resume(member: Member): void {
    member.paused = false;
    member.running?.process.kill('SIGCONT');
  }

  /** A client with a session of its own. */
  async consumer(): Promise<{ client: ZooKeeper; store: Store; operations: Operations }> {
    const servers = this.apache.servers.map((server) => server.secure);
    const client = createZooKeeper({
      servers,
      tls: () => this.apache.tls,
      sessionTimeoutMs: 30_000,
      runtime: systemRuntime,
    });
    const store = await Store.open({ client, runtime: systemRuntime, log });
    this.clients.push(client);
    this.stores.push(store);
    return { client, store, operations: new Operations(store) };
  }

  /** Ids of what there is in the shared account. */
  async instances(): Promise<readonly string[]> {
    const answer = await fetch(`${this.cloud}/accounts/${account}/servers`);
    return ((await answer.json()) as { id: string }[]).map(({ id }) => id);
  }

  async settings(settings: object): Promise<void> {
    await fetch(`${this.cloud}/accounts/${account}/settings`, { method: 'PUT', body: JSON.stringify(settings) });
  }

  async stop(): Promise<void> {
    for (const member of this.members) if (member.paused) this.resume(member);
    await Promise.all(this.stores.map((store) => store.close()));
    await Promise.all(this.clients.map((client) => client.close()));
    await this.place.clear();
    await this.apache.close();
  }
}
