/** Publishes what the watchdog sees for `doctor`: only when it has changed, and not more often than every ten seconds. */
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import { HealthHandle } from '../store/transactions/health.ts';
import type { Store } from '../store/mirrors/store.ts';
import { withoutSecrets } from '../base/redact.ts';
import type { HealthFact } from './watchdog.ts';

export interface HealthPublisherDeps {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export interface HealthPublisherOptions {
  readonly hostname: string;
  readonly version: string;
  readonly processId: number;
}

const spacingMs = 10_000;
/** Figures alone are no news; they are refreshed now and then. */
const figuresMs = 60_000;

export class HealthPublisher {
  private readonly deps: HealthPublisherDeps;
  private readonly options: HealthPublisherOptions;
  private readonly handle: HealthHandle;
  private published: { readonly words: string; readonly figures: string; readonly session: bigint } | null = null;
  private lastMs = Number.NEGATIVE_INFINITY;
  private writing: Promise<void> | null = null;
  private closed = false;

  constructor(deps: HealthPublisherDeps, options: HealthPublisherOptions) {
    this.deps = deps;
    this.options = options;
    this.handle = new HealthHandle(deps.store, options.hostname);
  }

  publish(facts: readonly HealthFact[]): void {
    const { client } = this.deps.store;
    if (this.closed || this.writing || client.state !== 'connected') return;
    const sinceLastMs = this.deps.runtime.monotonicMs() - this.lastMs;
    if (sinceLastMs < spacingMs) return;
    const words = JSON.stringify(facts.map(({ key, severity, what, why, since }) => [key, severity, what, why, since]));
    const figures = JSON.stringify(facts.map((fact) => fact.figures));
    const last = this.published;
    const news = last?.words !== words || last.session !== client.sessionId;
    if (!news && (last.figures === figures || sinceLastMs < figuresMs)) return;
    this.lastMs = this.deps.runtime.monotonicMs();
    this.writing = this.write(facts)
      .then(
        () => void (this.published = { words, figures, session: client.sessionId }),
        (error: unknown) => this.deps.log.debug({ err: error }, 'Publishing the health failed'),
      )
      .finally(() => (this.writing = null));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    if (this.published) await this.handle.remove();
  }

  private write(facts: readonly HealthFact[]): Promise<void> {
    const { runtime } = this.deps,
      { hostname, version, processId } = this.options;
    return this.handle.write({
      hostname,
      version,
      processId,
      written: runtime.nowMs() / 1000,
      // Reasons are the words of clouds and their libraries.
      troubles: facts.map((fact) => ({ ...fact, why: withoutSecrets(fact.why), since: fact.since / 1000 })),
      more: 0,
    });
  }
}
