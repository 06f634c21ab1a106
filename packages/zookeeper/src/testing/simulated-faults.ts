/** Which request of a simulated server goes wrong, and how: by chance, or as a test has asked for. */
import type { SeenRequest } from './seen-request.ts';
import type { RequestFault } from './simulated-connection.ts';

export type FaultKind = RequestFault['kind'] | 'cut' | 'partition' | 'leader-change';

/** Chances of each request (pings are spared); their sum is at most 1. */
export interface FaultRates {
  lostBeforeCommit: number;
  lostAfterCommit: number;
  sessionExpired: number;
  slow: number;
}

interface Planned {
  readonly kind: RequestFault['kind'];
  readonly matches: (request: SeenRequest) => boolean;
}

export class SimulatedFaults {
  readonly rates: FaultRates = { lostBeforeCommit: 0, lostAfterCommit: 0, sessionExpired: 0, slow: 0 };
  /** A slow answer takes up to this much longer. */
  slowestMs = 5000;
  /** How many there have been. */
  readonly injected: Record<FaultKind, number> = {
    'lost-before-commit': 0,
    'lost-after-commit': 0,
    'session-expired': 0,
    slow: 0,
    cut: 0,
    partition: 0,
    'leader-change': 0,
  };
  private readonly random: () => number;
  private planned: Planned[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  /** The next request that matches (pings are spared) meets this fault; one call, one fault. */
  next(kind: RequestFault['kind'], matches: (request: SeenRequest) => boolean = () => true): void {
    this.planned.push({ kind, matches });
  }

  /** No more faults from here on. */
  stop(): void {
    this.planned = [];
    Object.assign(this.rates, { lostBeforeCommit: 0, lostAfterCommit: 0, sessionExpired: 0, slow: 0 });
  }

  of(request: SeenRequest): RequestFault | null {
    if (request.operation === 'ping') return null;
    const kind = this.takePlanned(request) ?? this.draw();
    if (kind === null) return null;
    this.count(kind);
    return kind === 'slow' ? { kind, delayMs: this.slowestMs * this.random() } : { kind };
  }

  count(kind: FaultKind): void {
    this.injected[kind]++;
  }

  private takePlanned(request: SeenRequest): RequestFault['kind'] | null {
    const at = this.planned.findIndex((planned) => planned.matches(request));
    return at < 0 ? null : this.planned.splice(at, 1)[0]!.kind;
  }

  private draw(): RequestFault['kind'] | null {
    const { lostBeforeCommit, lostAfterCommit, sessionExpired, slow } = this.rates;
    if (lostBeforeCommit + lostAfterCommit + sessionExpired + slow === 0) return null;
    let left = this.random();
    if ((left -= lostBeforeCommit) < 0) return 'lost-before-commit';
    if ((left -= lostAfterCommit) < 0) return 'lost-after-commit';
    if ((left -= sessionExpired) < 0) return 'session-expired';
    return left - slow < 0 ? 'slow' : null;
  }
}
