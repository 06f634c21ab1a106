/** A status site on a free port over a tree of its own, and a client that shows what comes over the wire. For tests. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { newNode, type NodeFields, type NodeState, encodeNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Bed, type Side } from '../../store/testing/bed.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import type { HealthReport } from '../probes.ts';
import { StatusSite } from '../status-site.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Asked {
  readonly method?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class TestSite {
  readonly bed: Bed;
  readonly side: Side;
  readonly site: StatusSite;
  readonly metrics: Metrics;
  health: HealthReport = { ready: true, session: 'connected', synced: true, troubles: [] };

  private constructor(bed: Bed, side: Side) {
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
      log: { info() {}, warn() {}, error() {} },
    });
  }

  static async open(): Promise<TestSite> {
    const bed = await Bed.open();
    const test = new TestSite(bed, await bed.side());
    test.site.start();
    while (test.site.port === null) await new Promise((resolve) => setImmediate(resolve));
    return test;
  }

  get(path: string, o: Asked = {}): Promise<Answer> {
    return ask(this.site.port!, path, o);
  }

  async json(path: string): Promise<unknown> {
    return JSON.parse((await this.get(path, { accept: 'application/json' })).body);
  }

  /** Returns its id once the mirror has it. */
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

export function ask(port: number, path: string, { method = 'GET', accept, headers = {} }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { port, path, method, host: '127.0.0.1', headers: { ...headers, ...(accept === undefined ? {} : { accept }) } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}
