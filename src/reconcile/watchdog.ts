/**
 * Looks every few seconds at what everything else says of itself, warns once when something goes wrong, once more when the
 * reason changes and once when it is over. Also sees when the process itself comes too late. It changes nothing.
 */
import type { Logger } from '../base/logger.ts';
import type { Severity, Trouble } from '../base/trouble.ts';
import type { Runtime, Timer } from '../base/runtime.ts';

/** What does not go as it should. `JSON.stringify` gives all of it. */
export interface HealthFact {
  readonly key: string;
  readonly severity: Severity;
  readonly what: string;
  readonly why: string;
  readonly hint: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface TroubleSource {
  troubles(): Iterable<Trouble>;
}

export interface WatchdogDeps {
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly sources: readonly TroubleSource[];
  /** Told after each look. */
  readonly onLook?: (facts: readonly HealthFact[]) => void;
  /** Told once a second how late that was. */
  readonly onTick?: (lateMs: number) => void;
}

interface Known {
  readonly fact: HealthFact;
  /** Monotonic milliseconds. */
  readonly sinceMs: number;
  /** What the log says of it. */
  readonly logged: { readonly why: string; readonly severity: Severity; readonly atMs: number } | null;
}

const tickMs = 1000;
const ticksPerLook = 5;
/** A reason that changes all the time is not said all the time. */
const repeatMs = 60_000;
const lateMs = 1000;
const lateMemoryMs = 60_000;
const ranks: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

export class Watchdog {
  private readonly deps: WatchdogDeps;
  private readonly sources: TroubleSource[];
  private known = new Map<string, Known>();
  private timer: Timer | null = null;
  private ticks = 0;
  /** Monotonic milliseconds of the last look. */
  lookedMs: number;
  private late: { readonly sinceMs: number; readonly lastMs: number; readonly mostMs: number } | null = null;
  private stopped = false;

  constructor(deps: WatchdogDeps) {
    this.deps = deps;
    this.lookedMs = deps.runtime.monotonicMs();
    this.sources = [{ troubles: () => this.lateness() }, ...deps.sources];
    this.arm();
  }

  addSource(source: TroubleSource): void {
    this.sources.push(source);
  }

  /** As of the last look; the worst and oldest first. */
  snapshot(): HealthFact[] {
    return [...this.known.values()]
      .map(({ fact }) => fact)
      .sort((a, b) => ranks[a.severity] - ranks[b.severity] || a.since - b.since);
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private arm(): void {
    const { runtime } = this.deps;
    const dueMs = runtime.monotonicMs() + tickMs;
    this.timer = runtime.setBackgroundTimer(tickMs, () => {
      const lateMs = runtime.monotonicMs() - dueMs;
      this.noteLateness(lateMs);
      this.deps.onTick?.(lateMs);
      if (++this.ticks % ticksPerLook === 0) this.look();
      if (!this.stopped) this.arm();
    });
  }

  private look(): void {
    this.lookedMs = this.deps.runtime.monotonicMs();
    const next = new Map<string, Known>();
    for (const source of this.sources) {
      try {
        for (const trouble of source.troubles()) next.set(trouble.key, this.note(trouble));
      } catch (error) {
        this.deps.log.error({ err: error }, 'The watchdog could not ask');
      }
    }
    for (const [key, before] of this.known) if (!next.has(key)) this.over(before);
    this.known = next;
    this.deps.onLook?.(this.snapshot());
  }

  private note(trouble: Trouble): Known {
    const { runtime } = this.deps;
    const now = runtime.monotonicMs();
    const before = this.known.get(trouble.key);
    const sinceMs = trouble.sinceMs ?? before?.sinceMs ?? now;
    const { key, severity, what, why, hint, figures = {} } = trouble;
    // The wall clock may jump: the same trouble keeps its beginning.
    const since =
      before && Math.abs(before.sinceMs - sinceMs) < 1
        ? before.fact.since
        : Math.round(runtime.nowMs() - (now - sinceMs));
    const fact: HealthFact = { key, severity, what, why, hint, since, figures };
    return { fact, sinceMs, logged: trouble.said ? null : this.say(fact, before?.logged ?? null) };
  }

  private say(fact: HealthFact, last: Known['logged']): Known['logged'] {
    const now = this.deps.runtime.monotonicMs();
    const { severity, why, what, hint, since, figures } = fact;
    if (last) {
      const worse = ranks[severity] < ranks[last.severity];
      const other = why !== last.why && now - last.atMs >= repeatMs;
      if (!worse && !other) return last;
    }
    const fields = { what, why, since: new Date(since).toISOString(), ...figures, hint };
    if (severity === 'info') this.deps.log.info(fields, 'Watchdog: worth knowing');
    else if (severity === 'warning') this.deps.log.warn(fields, 'Watchdog: something does not go as it should');
    else this.deps.log.error(fields, 'Watchdog: something is stuck');
    return { why, severity, atMs: now };
  }

  private over({ fact, sinceMs, logged }: Known): void {
    if (!logged) return;
    const lastedS = Math.round((this.deps.runtime.monotonicMs() - sinceMs) / 1000);
    this.deps.log.info({ what: fact.what, lastedS }, 'Watchdog: over');
  }

  private noteLateness(byMs: number): void {
    const now = this.deps.runtime.monotonicMs();
    if (this.late && now - this.late.lastMs > lateMemoryMs) this.late = null;
    if (byMs < lateMs) return;
    const { late } = this;
    this.late = { sinceMs: late?.sinceMs ?? now - byMs, lastMs: now, mostMs: Math.max(byMs, late?.mostMs ?? 0) };
  }

  private *lateness(): Iterable<Trouble> {
    if (!this.late) return;
    yield {
      key: 'event loop',
      severity: 'warning',
      what: 'this process comes too late with its work',
      why: 'the machine is overloaded, the process was suspended, or a single piece of work took very long',
      sinceMs: this.late.sinceMs,
      hint: 'look at the load and the memory of the machine',
      figures: { longestMs: Math.round(this.late.mostMs) },
    };
  }
}
