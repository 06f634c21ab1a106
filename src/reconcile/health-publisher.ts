/** Publishes what the watchdog sees for `doctor`: only when it has changed, and not more often than every ten seconds. */
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import { HealthHandle } from '../store/transactions/health.ts';
import type { Store } from '../store/mirrors/store.ts';
import { withoutSecrets } from '../base/redact.ts';
import type { HealthFact } from './watchdog.ts';

export interface HealthPublisherOptions {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly hostname: string;
  readonly version: string;
  readonly processId: number;
}

const spacingMs = 10_000;
/** Figures alone are no news; they are refreshed now and then. */
const figuresMs = 60_000;

export class HealthPublisher {
  private readonly o: HealthPublisherOptions;
  private readonly handle: HealthHandle;
  private published: { readonly words: string; readonly figures: string; readonly session: bigint } | null = null;
  private lastMs = Number.NEGATIVE_INFINITY;
  private writing: Promise<void> | null = null;
  private closed = false;

  constructor(options: HealthPublisherOptions) {
    this.o = options;
    this.handle = new HealthHandle(options.store, options.hostname);
  }

  publish(facts: readonly HealthFact[]): void {
    const { client } = this.o.store;
    if (this.closed || this.writing || client.state !== 'connected') return;
    const sinceLastMs = this.o.runtime.monotonicMs() - this.lastMs;
    if (sinceLastMs < spacingMs) return;
    const words = JSON.stringify(facts.map(({ key, severity, what, why, since }) => [key, severity, what, why, since]));
    const figures = JSON.stringify(facts.map((fact) => fact.figures));
    const last = this.published;
    const news = last?.words !== words || last.session !== client.sessionId;
    if (!news && (last.figures === figures || sinceLastMs < figuresMs)) return;
    this.lastMs = this.o.runtime.monotonicMs();
    this.writing = this.write(facts)
      .then(
        () => void (this.published = { words, figures, session: client.sessionId }),
        (error: unknown) => this.o.log.debug({ err: error }, 'Publishing the health failed'),
      )
      .finally(() => (this.writing = null));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
    if (this.published) await this.handle.remove();
  }

  private write(facts: readonly HealthFact[]): Promise<void> {
    const { runtime, hostname, version, processId } = this.o;
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
