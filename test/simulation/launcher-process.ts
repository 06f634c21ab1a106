/** One launcher as a process of the simulated world: it starts, reloads, stops in order, or is killed. */
import type { NodepoolConfig } from '../../src/config/model.ts';
import { Launcher } from '../../src/launcher/launcher.ts';
import { Store } from '../../src/store/mirrors/store.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import type { SimulatedZooKeeper } from '@nodepool/zookeeper/internal/testing/simulated-zookeeper';
import type { Adapter } from '../../src/driver-kit/contract.ts';
import type { Logger } from '../../src/base/logger.ts';
import type { SimulatedSettings } from './configuration.ts';
import { SimulatedAdapter } from './adapter.ts';
import type { SimulatedCloud } from './cloud.ts';
import type { ProcessRuntime } from './virtual-time.ts';

export interface LauncherProcessDeps {
  readonly zk: SimulatedZooKeeper;
  readonly runtime: ProcessRuntime;
  readonly clouds: ReadonlyMap<string, SimulatedCloud>;
  readonly log: Logger;
  /** A planted bug may put something around them. */
  readonly wrapAdapter: (adapter: Adapter, runtime: ProcessRuntime) => Adapter;
  readonly wrapClient: (client: ZooKeeper) => ZooKeeper;
}

export interface LauncherProcessOptions {
  /** Of its client; another one for each start. */
  readonly name: string;
  readonly hostname: string;
  readonly sessionTimeoutMs: number;
}

export type ProcessState = 'starting' | 'running' | 'stopping' | 'ended';

export class LauncherProcess {
  readonly name: string;
  readonly hostname: string;
  state: ProcessState = 'starting';
  config: NodepoolConfig;
  readonly client: ZooKeeper;
  private readonly deps: LauncherProcessDeps;
  private store: Store | null = null;
  private launcher: Launcher | null = null;

  constructor(deps: LauncherProcessDeps, options: LauncherProcessOptions, config: NodepoolConfig) {
    this.deps = deps;
    this.name = options.name;
    this.hostname = options.hostname;
    this.config = config;
    const client = createZooKeeper({
      ...deps.zk.clientOptions(options.name),
      runtime: deps.runtime,
      sessionTimeoutMs: options.sessionTimeoutMs,
    });
    this.client = deps.wrapClient(client);
  }

  get alive(): boolean {
    return this.state !== 'ended';
  }

  async start(): Promise<void> {
    const { hostname } = this;
    const { runtime, log } = this.deps;
    await this.client.waitConnected();
    this.store = await Store.open({ client: this.client, runtime, log });
    if (!this.alive) return;
    this.launcher = new Launcher({
      config: this.config,
      store: this.store,
      createAdapter: async (provider) => {
        const { cloud, watching } = provider.settings as SimulatedSettings;
        const adapter = new SimulatedAdapter(
          {
            cloud: this.deps.clouds.get(cloud)!,
            caller: runtime,
          },
          { providerName: provider.name, watching },
        );
        return this.deps.wrapAdapter(adapter, runtime);
      },
      runtime,
      log,
      env: { NODEPOOL_TEST_CLEANUP_INTERVAL: '4', NODEPOOL_TEST_LOCK_CLEANUP: '20' },
      hostname,
      fqdn: `${hostname}.example`,
      version: 'simulated',
      stats: null,
      processId: 1,
    });
    await this.launcher.start();
    if (this.state === 'starting') this.state = 'running';
  }

  reload(config: NodepoolConfig): void {
    this.config = config;
    this.launcher?.reload(config);
  }

  /** As at SIGTERM. */
  async stop(): Promise<void> {
    this.state = 'stopping';
    await this.launcher?.stop();
    await this.store?.close();
    await this.client.close();
    this.state = 'ended';
  }

  pause(): void {
    this.deps.runtime.pause();
  }

  resume(): void {
    this.deps.runtime.resume();
  }

  /** As at SIGKILL: in the middle of whatever it does, nothing of it happens any more. */
  kill(): void {
    this.state = 'ended';
    this.deps.runtime.kill();
    this.deps.zk.kill(this.name);
  }
}
