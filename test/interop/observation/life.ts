/**
 * Launchers of ours as programs, on a ZooKeeper and a fake cloud of their own, that live through what a launcher can meet:
 * requests served from stock and by launches, failures by kind, limits, leaks. For suites that watch what is told of it.
 */
import { encodeNode, parseNode, updateNode } from '../../../src/records/node.ts';
import { isBroken } from '../../../src/records/broken.ts';
import { encodeRequest, newRequest, parseRequest, type RequestFields } from '../../../src/records/request.ts';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, lock, type ZooKeeper } from '@nodepool/zookeeper';
import { readAddress } from '@nodepool/zookeeper/data-directory';
import { type Apache, freePorts, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Running, until, Workplace } from '../support/programs.ts';

interface ProviderPlan {
  readonly name: string;
  readonly account?: string;
  /** Pools with their labels and, where there is one, `max-servers`. */
  readonly pools: Readonly<Record<string, { readonly labels: readonly string[]; readonly maxServers?: number }>>;
  /** YAML in flow style. */
  readonly more?: string;
}

const usual: readonly ProviderPlan[] = [
  { name: 'good', pools: { main: { labels: ['small', 'warm'], maxServers: 8 }, spare: { labels: ['small'] } } },
  { name: 'other', pools: { main: { labels: ['big', 'small'], maxServers: 4 } } },
  // Each sees room for one more server in the account that they share.
  { name: 'twin-a', account: 'twins', pools: { main: { labels: ['twin-a'] } } },
  { name: 'twin-b', account: 'twins', pools: { main: { labels: ['twin-b'] } } },
  { name: 'full', pools: { main: { labels: ['full'] } } },
  { name: 'flaky', pools: { main: { labels: ['flaky'] } } },
  { name: 'broken', pools: { main: { labels: ['broken'] } } },
  { name: 'late', pools: { main: { labels: ['late'] } }, more: 'launch-timeout: 1' },
];

/** Of a provider whose servers take longer to boot than any test lasts. */
const slow: readonly ProviderPlan[] = [{ name: 'slow', pools: { main: { labels: ['slow'] } } }];

export class Life {
  readonly place = new Workplace();
  zk!: ZooKeeper;
  private apache: Apache | null = null;
  private cloud = '';
  /** How a configuration says where ZooKeeper is. */
  zookeeperConfig = '';
  private launchers = 0;
  private coordinator: Running | null = null;

  static async begin(zookeeper: 'apache' | 'embedded'): Promise<Life> {
    const life = new Life();
    try {
      await Promise.all([life.startCloud(), zookeeper === 'apache' ? life.startApache() : life.startCoordinator()]);
    } catch (error) {
      await life.end();
      throw error;
    }
    return life;
  }

  async end(): Promise<void> {
    await this.place.clear();
    await this.zk?.close();
    await this.apache?.close();
  }

  /** With the usual providers, or with the slow one; ready when this resolves. */
  async launcher(env: Record<string, string>, which: 'usual' | 'slow' = 'usual'): Promise<Running & { port: number }> {
    const [port] = await freePorts(1);
    const path = this.place.file(
      `launcher-${++this.launchers}.yaml`,
      this.config(port!, which === 'usual' ? usual : slow),
    );
    const running = this.place.start('nodepool-launcher', ['-f', '-c', path], {
      NODEPOOL_TEST_CLEANUP_INTERVAL: '1',
      ...env,
    });
    await until(
      () => `a launcher that is ready: ${running.output().slice(-3000)}`,
      async () => (await fetch(`http://127.0.0.1:${port}/ready`).catch(() => null))?.ok,
      60_000,
    );
    return { ...running, port: port! };
  }

  /** Requests of every fate; ids by what becomes of them. What is served is not given back. */
  async requests(): Promise<{ readonly served: string[]; readonly failed: string[]; readonly waiting: string[] }> {
    const zuul = { requestor: 'zuul.example:1', tenantName: 'one' };
    const served = [
      await this.submit({ nodeTypes: ['small'], ...zuul }, 100),
      await this.submit({ nodeTypes: ['small', 'big'], ...zuul }, 200),
      await this.submit({ nodeTypes: ['warm'], ...zuul, tenantName: 'limited' }, 300),
      await this.submit({ nodeTypes: ['twin-a'] }),
    ];
    for (const id of served) await this.untilState(id, 'fulfilled');
    const failed = [];
    for (const label of ['flaky', 'broken', 'late', 'full', 'twin-b'])
      failed.push(await this.submit({ nodeTypes: [label] }));
    const waiting = [
      await this.submit({ nodeTypes: ['twin-a'] }),
      // The tenant may have one server, and has the one of the label warm.
      await this.submit({ nodeTypes: ['small'], ...zuul, tenantName: 'limited' }),
    ];
    for (const id of failed) await this.untilState(id, 'failed');
    return { served, failed, waiting };
  }

  async submit(fields: RequestFields, priority = 200): Promise<string> {
    return this.submitRaw(encodeRequest(newRequest(fields, Date.now())), priority);
  }

  async submitRaw(document: Uint8Array, priority = 200): Promise<string> {
    const parent = '/nodepool/requests';
    await this.zk.ensurePath(parent);
    const made = await this.zk.create(`${parent}/${priority}-`, document, { mode: 'persistent-sequential' });
    return made.path.slice(parent.length + 1);
  }

  async untilState(id: string, state: 'fulfilled' | 'failed'): Promise<readonly string[]> {
    let seen = '';
    const request = await until(
      () => `request ${id} is ${state}, but ${seen}`,
      async () => {
        const read = parseRequest(id, (await this.zk.get(`/nodepool/requests/${id}`)).data);
        if (isBroken(read)) throw new Error(read.message);
        seen = read.state;
        return read.state === state ? read : null;
      },
      60_000,
    );
    return request.nodes;
  }

  /** What a consumer does with its nodes, and that it forgets the request. */
  async giveBack(id: string): Promise<void> {
    for (const nodeId of await this.untilState(id, 'fulfilled')) {
      const path = `/nodepool/nodes/${nodeId}`;
      const held = await lock({ client: this.zk, runtime: systemRuntime, path: `${path}/lock`, createParents: false });
      if (held.result !== 'acquired') throw new Error(`node ${nodeId}: ${held.result}`);
      const node = parseNode(nodeId, (await this.zk.get(path)).data);
      if (isBroken(node)) throw new Error(node.message);
      await this.zk.set(path, encodeNode(updateNode(node, { state: 'used' }, Date.now())));
      await held.lock.release();
    }
    await this.zk.delete(`/nodepool/requests/${id}`);
  }

  /** Removes all that is below. */
  async clear(path: string): Promise<void> {
    for (const child of (await this.zk.children(path)).children) {
      await this.clear(`${path}/${child}`);
      await this.zk.delete(`${path}/${child}`);
    }
  }

  /** A server of the provider `good` for a node that nobody knows. */
  async leak(): Promise<void> {
    const metadata = { nodepool_provider_name: 'good', nodepool_node_id: '0000099999', nodepool_pool_name: 'main' };
    const resources = { instances: 1, cores: 1, ram: 1 };
    const spec = { name: 'np0000099999', metadata, securityGroups: [], zone: 'az1', resources, token: 'leaked' };
    await this.tellCloud('POST', 'good/servers', spec);
  }

  /** The embedded one. */
  async stopCoordinator(): Promise<void> {
    this.coordinator!.process.kill('SIGKILL');
    await this.coordinator!.ended;
  }

  private async startCloud(): Promise<void> {
    const server = this.place.start('nodepool', ['fake-cloud', '--port', '0']);
    this.cloud = await until(
      () => server.output(),
      () => /http:\/\/\S+/.exec(server.output())?.[0],
    );
    const most = { createBroken: 1000, createTimeouts: 1000, failureRate: 1 };
    await this.tellCloud('PUT', 'good/settings', { quota: { instances: 50, cores: 200, ram: 400_000 } });
    await this.tellCloud('PUT', 'twins/settings', { quota: { instances: 1 } });
    await this.tellCloud('PUT', 'full/settings', { capacity: 0 });
    await this.tellCloud('PUT', 'flaky/faults', { failureRate: most.failureRate });
    await this.tellCloud('PUT', 'broken/faults', { createBroken: most.createBroken });
    await this.tellCloud('PUT', 'late/faults', { createTimeouts: most.createTimeouts });
    await this.tellCloud('PUT', 'slow/settings', { bootDelayMs: 3_600_000 });
  }

  private async tellCloud(method: string, path: string, body: object): Promise<void> {
    const answer = await fetch(`${this.cloud}/accounts/${path}`, { method, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  private async startApache(): Promise<void> {
    this.apache = await startApache(1);
    const { plain, secure } = this.apache.servers[0]!;
    this.zk = createZooKeeper({ servers: [plain] });
    const { ca, cert, key } = this.apache.tls;
    const tls = Object.entries({ ca, cert, key }).map(
      ([name, pem]) => `${name}: ${this.place.file(`${name}.pem`, String(pem))}`,
    );
    this.zookeeperConfig = `zookeeper-servers: [{host: 127.0.0.1, port: ${secure.port}}]
zookeeper-tls: {${tls.join(', ')}}`;
  }

  private async startCoordinator(): Promise<void> {
    const dataDir = `${this.place.directory}/data`;
    this.zookeeperConfig = `coordinator: {data-dir: ${dataDir}}`;
    const config = `${this.zookeeperConfig}\nlabels: []\nproviders: []\n`;
    const running = this.place.start('nodepool', ['-c', this.place.file('coordinator.yaml', config), 'coordinator']);
    await until(
      () => running.output(),
      () => readAddress(dataDir),
    );
    this.coordinator = running;
    this.zk = this.place.client(dataDir);
  }

  private config(port: number, providers: readonly ProviderPlan[]): string {
    const labels = new Set(providers.flatMap(({ pools }) => Object.values(pools).flatMap((pool) => pool.labels)));
    return `${this.zookeeperConfig}
zookeeper-timeout: 4.0
webapp: {port: ${port}, listen_address: 127.0.0.1}
tenant-resource-limits: [{tenant-name: limited, max-servers: 1, max-volumes: 5, max-volume-gb: 10, L-1: 3}]
labels:
${[...labels].map((name) => `  - {name: ${name}, min-ready: ${name === 'warm' ? 1 : 0}}`).join('\n')}
providers:
${providers.map((plan) => this.provider(plan)).join('\n')}
`;
  }

  private provider({ name, account = name, pools, more = '' }: ProviderPlan): string {
    const label = (of: string) => `{name: ${of}, cloud-image: image, min-ram: 1024}`;
    const entries = Object.entries(pools).map(
      ([pool, { labels, maxServers }]) =>
        `      - {name: ${pool}, ${maxServers === undefined ? '' : `max-servers: ${maxServers}, `}labels: [${labels.map(label).join(', ')}]}`,
    );
    return `  - name: ${name}
    driver: fake
    cloud: fake
    region-name: here
    launch-retries: 2
    fake-cloud: {address: '${this.cloud}', account: ${account}}
    cloud-images: [{name: image, image-id: fake-image-id}]
    ${more}
    pools:
${entries.join('\n')}`;
  }
}
