/** A status site on a free port over a tree of its own. For tests. */
import { newNode, type NodeFields, type NodeState, encodeNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { StoreBed, type Side } from '../../store/testing/store-bed.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import type { HealthReport } from '../probes.ts';
import { StatusSite } from '../status-site.ts';
import { type Answer, type AskOptions, ask } from './http-client.ts';

export class StatusSiteFixture {
  readonly bed: StoreBed;
  readonly side: Side;
  readonly site: StatusSite;
  readonly metrics: Metrics;
  health: HealthReport = { ready: true, session: 'connected', synced: true, troubles: [] };

  private constructor(bed: StoreBed, side: Side) {
    this.bed = bed;
    this.side = side;
    this.metrics = new Metrics();
    this.site = new StatusSite({
      host: '127.0.0.1',
      port: 0,
      store: side.store,
      metrics: this.metrics,
      health: () => this.health,
      runtime: systemRuntime,
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
  }

  static async open(): Promise<StatusSiteFixture> {
    const bed = await StoreBed.open();
    const fixture = new StatusSiteFixture(bed, await bed.side());
    fixture.site.start();
    while (fixture.site.port === null) await new Promise((resolve) => setImmediate(resolve));
    return fixture;
  }

  get(path: string, options: AskOptions = {}): Promise<Answer> {
    return ask(this.site.port!, path, options);
  }

  async json(path: string): Promise<unknown> {
    return JSON.parse((await this.get(path, { accept: 'application/json' })).body);
  }

  /** Creates a node's document and returns the node's id once the mirror has it. */
  async node(fields: NodeFields & { readonly state: NodeState }): Promise<string> {
    const made = await this.bed.zk.create('/nodepool/nodes/', encodeNode(newNode(fields, systemRuntime.nowMs())), {
      mode: 'persistent-sequential',
    });
    const id = made.path.slice(made.path.lastIndexOf('/') + 1);
    while (!this.side.store.nodes.get(id)?.node) await new Promise((resolve) => setImmediate(resolve));
    return id;
  }

  async close(): Promise<void> {
    await this.site.close();
    await this.bed.close();
  }
}
