/** Everything that a launcher shows over HTTP, put together: status pages, probes, metrics, events. */
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import type { Trouble } from '../base/trouble.ts';
import type { Store } from '../store/mirrors/store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { EventStream } from './events.ts';
import { PageCache } from './http/page-cache.ts';
import { imagePages } from './pages/image-pages.ts';
import { treePages } from './pages/tree-pages.ts';
import { pageLifeMs, pageRoute } from './pages/page-route.ts';
import { type HealthReport, healthRoute, readyRoute } from './probes.ts';
import { send } from './http/respond.ts';
import { ApiServer, type Route } from './http/server.ts';
import { treeMetrics } from './tree-metrics.ts';

export interface StatusSiteOptions {
  readonly host: string;
  readonly port: number;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly health: () => HealthReport;
  readonly runtime: Runtime;
  readonly log: Logger;
}

const mostCachedBytes = 32 * 1024 * 1024;

export class StatusSite {
  private readonly server: ApiServer;
  private readonly cache: PageCache;
  private readonly events: EventStream;

  constructor({ host, port, store, metrics, health, runtime, log }: StatusSiteOptions) {
    const cache = new PageCache(runtime, { lifeMs: pageLifeMs, mostBytes: mostCachedBytes });
    const events = new EventStream(store, runtime, log);
    const routes = new Map<string, Route>([
      ['/ready', readyRoute(() => health().ready)],
      ['/health', healthRoute(health)],
      ['/metrics', metricsRoute(metrics, cache)],
      ['/events', events.route],
    ]);
    for (const page of [...treePages(store, runtime), ...imagePages(store, runtime)])
      routes.set(page.path, pageRoute(page, cache));
    treeMetrics(metrics, store, runtime);
    metrics.read('nodepool_event_stream_clients', 'Connections to /events.', { samples: () => [[{}, events.size]] });
    metrics.read('nodepool_event_stream_dropped_total', 'Connections to /events ended because their client was slow.', {
      kind: 'counter',
      samples: () => [[{}, events.dropped]],
    });
    this.cache = cache;
    this.events = events;
    this.server = new ApiServer({ routes, runtime, log }, { host, port });
  }

  start(): void {
    this.server.start();
  }

  /** null while the server does not listen. */
  get port(): number | null {
    return this.server.port;
  }

  troubles(): Iterable<Trouble> {
    return this.server.troubles();
  }

  async close(): Promise<void> {
    this.events.close();
    await this.server.close();
    this.cache.close();
  }
}

function metricsRoute(metrics: Metrics, cache: PageCache): Route {
  return async (_request, response) => {
    const { body } = await cache.get('/metrics', async () => Buffer.from(metrics.text()));
    send(
      response,
      200,
      { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control': 'no-store' },
      body,
    );
  };
}
