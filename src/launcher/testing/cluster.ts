/** Launchers with the fake and static drivers on an embedded coordinator, all in the process of the test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { driverDefinitions } from '../../drivers/catalogue.ts';
import { loadConfig } from '../../config/load.ts';
import type { NodepoolConfig, ProviderConfig } from '../../config/model.ts';
import { driver as fakeDriver } from '../../drivers/fake/index.ts';
import { driver as metastaticDriver } from '../../drivers/metastatic/index.ts';
import { driver as staticDriver } from '../../drivers/static/index.ts';
import type { Adapter, BackingNodes } from '../../driver-kit/contract.ts';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import type { RequestFields, RequestRecord } from '../../records/request.ts';
import { type Runtime, systemRuntime } from '../../base/runtime.ts';
import { Operations } from '../../store/transactions/operations.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { StatsSink } from '../../telemetry/statsd.ts';
import { noTracing, type Tracer } from '../../telemetry/tracing.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { Launcher } from '../launcher.ts';
import { CuttableLine } from './cuttable-line.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const drivers = { fake: fakeDriver, metastatic: metastaticDriver, static: staticDriver };
const patience = { timeout: 15_000, interval: 5 };

export type CreateAdapter = (config: ProviderConfig, backing?: () => BackingNodes) => Promise<Adapter>;

export const adaptersWith =
  (runtime: Runtime): CreateAdapter =>
  async (provider, backing) =>
    drivers[provider.driver as keyof typeof drivers].createAdapter({
      provider,
      runtime,
      log,
      env: {},
      ...(backing ? { backing } : {}),
    });

export const createAdapter = adaptersWith(systemRuntime);

/** The clock of a fake cloud that can stand still: nothing that is booting becomes active then. */
export class CloudClock {
  standsStill = false;
  readonly runtime: Runtime = {
    ...systemRuntime,
    monotonicMs: () => (this.standsStill ? 0 : 1e6 + systemRuntime.monotonicMs()),
  };
}

/** Everything that is timed happens `times` as fast as usual; its clock starts with the right time. */
export function hastened(times: number): Runtime {
  const beginMs = systemRuntime.monotonicMs();
  const epochMs = systemRuntime.nowMs();
  const passedMs = () => (systemRuntime.monotonicMs() - beginMs) * times;
  return {
    ...systemRuntime,
    nowMs: () => epochMs + passedMs(),
    monotonicMs: () => beginMs + passedMs(),
    setTimer: (delayMs, callback) => systemRuntime.setTimer(delayMs / times, callback),
    setBackgroundTimer: (delayMs, callback) => systemRuntime.setBackgroundTimer(delayMs / times, callback),
  };
}

interface Place {
  readonly store: Store;
  readonly line: CuttableLine;
}

/** One provider of the fake driver; `pools` and `more` are YAML in flow style. */
export function fakeProvider(name: string, pools: string, more = ''): string {
  return `
  - name: ${name}
    driver: fake
    cloud: fake
    launch-retries: 1
    ${more}
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: ${pools}`;
}

export class Cluster {
  readonly directory: string;
  /** Warnings and errors of launchers and stores. */
  readonly logged: { readonly fields: object; readonly message: string }[] = [];
  private readonly log = {
    ...log,
    warn: (fields: object, message: string) => void this.logged.push({ fields, message }),
    error: (fields: object, message: string) => void this.logged.push({ fields, message }),
  };
  private readonly clients: ZooKeeper[] = [];
  private readonly stores: Store[] = [];
  private readonly launchers = new Map<Launcher, Place>();
  private readonly coordinator: Coordinator;
  private readonly runtime: Runtime;
  /** What launchers started from now on report to. */
  stats: StatsSink | null = null;
  /** Where they keep their metrics. */
  metrics: Metrics | undefined;
  /** Who collects their spans. */
  tracer: Tracer = noTracing;
  /** What a consumer sees and does. */
  seen!: Store;
  consumer!: Operations;

  private constructor(coordinator: Coordinator, directory: string, runtime: Runtime) {
    this.coordinator = coordinator;
    this.directory = directory;
    this.runtime = runtime;
  }

  /** `runtime`: that of launchers and consumers, not of ZooKeeper. */
  static async start(runtime = systemRuntime): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'nodepool-launcher-'));
    const coordinator = await startCoordinator({
      dataDir: directory,
      port: null,
      runtime: systemRuntime,
    });
    const cluster = new Cluster(coordinator, directory, runtime);
    cluster.seen = (await cluster.open()).store;
    cluster.consumer = new Operations(cluster.seen);
    return cluster;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.launchers.keys()].map((launcher) => launcher.stop()));
    await Promise.all(this.stores.map((store) => store.close()));
    await Promise.all(this.clients.map((client) => client.close()));
    await this.coordinator.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  config(text: string): NodepoolConfig {
    const path = join(this.directory, 'nodepool.yaml');
    writeFileSync(path, text);
    return loadConfig({ path, env: {}, drivers: driverDefinitions }).config;
  }

  async launch(
    text: string,
    create: CreateAdapter = adaptersWith(this.runtime),
    env: Readonly<Record<string, string>> = {},
  ): Promise<Launcher> {
    const place = await this.open();
    const { store } = place;
    const launcher = new Launcher({
      config: this.config(text),
      store,
      createAdapter: create,
      runtime: this.runtime,
      log: this.log,
      env,
      hostname: 'host',
      fqdn: 'host.example',
      version: 'test',
      stats: this.stats,
      tracer: this.tracer,
      ...(this.metrics ? { metrics: this.metrics } : {}),
      processId: 1,
    });
    this.launchers.set(launcher, place);
    await launcher.start();
    return launcher;
  }

  /** What the launcher itself sees. */
  storeOf(launcher: Launcher): Store {
    return this.launchers.get(launcher)!.store;
  }

  lineOf(launcher: Launcher): CuttableLine {
    return this.launchers.get(launcher)!.line;
  }

  /** As by `kill -9`, with the session's time over: nothing is handed back, nothing is written any more. */
  async kill(launcher: Launcher): Promise<void> {
    await this.storeOf(launcher).client.close();
  }

  async createRaw(path: string, text: string): Promise<void> {
    await this.clients[0]!.ensurePath(path.slice(0, path.lastIndexOf('/')));
    await this.clients[0]!.create(path, Buffer.from(text), { mode: 'persistent-sequential' });
  }

  async submit(fields: RequestFields, priority = '200'): Promise<string> {
    return (await this.consumer.createRequest({ requestor: 'test', ...fields }, priority, { ephemeral: false })).id;
  }

  request(id: string): RequestRecord | undefined {
    const request = this.seen.requests.get(id)?.request;
    return request && !isBroken(request) ? request : undefined;
  }

  nodes(): NodeRecord[] {
    return [...this.seen.nodes.all()].flatMap(({ node }) => (node && !isBroken(node) ? [node] : []));
  }

  nodesOf(id: string): NodeRecord[] {
    return this.request(id)!.nodes.map((nodeId) => this.nodes().find((node) => node.id === nodeId)!);
  }

  pools(): { provider: string | null; name: string | null; labels: readonly string[]; id: string | null }[] {
    return [...this.seen.components.pools()].map((p) => ({
      provider: p.providerName,
      name: p.name,
      labels: p.supportedLabels,
      id: p.id,
    }));
  }

  async untilState(id: string, wanted: string): Promise<void> {
    await expect.poll(() => this.request(id)?.state, patience).toBe(wanted);
  }

  async untilNodes(count: number): Promise<void> {
    await expect.poll(() => this.seen.nodes.size, patience).toBe(count);
  }

  async giveBack(id: string): Promise<void> {
    for (const nodeId of this.request(id)!.nodes) {
      const expected = { expect: (n: NodeRecord) => n.state === 'ready' && n.allocatedTo === id };
      let held = await this.consumer.lockNode(nodeId, expected);
      // A launcher may be looking at it; consumers wait for that.
      while (!held.ok && held.reason === 'locked') held = await this.consumer.lockNode(nodeId, expected);
      if (!held.ok) throw new Error(held.reason);
      await held.node.write({ state: 'used' });
      await held.node.release();
    }
    await this.consumer.deleteRequest(id);
  }

  private async open(): Promise<Place> {
    const line = new CuttableLine(this.coordinator.connector);
    const client = createZooKeeper({ servers: [], connector: line.connector, runtime: systemRuntime });
    this.clients.push(client);
    const store = await Store.open({ client, runtime: this.runtime, log: this.log });
    this.stores.push(store);
    return { store, line };
  }
}
