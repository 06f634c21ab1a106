/** What is wrong with a provider, from what its parts know of themselves. */
import type { Runtime } from '../base/runtime.ts';
import type { Adapter } from '../driver-kit/contract.ts';
import type { Calls } from './calls.ts';
import { asProviderError } from '../driver-kit/errors.ts';
import type { ProviderFacts } from './facts.ts';
import type { SharedListing } from './listing.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { MachineRunner } from './runner.ts';
import type { Trouble } from '../base/trouble.ts';

interface Condition {
  readonly runtime: Runtime;
  readonly name: string;
  readonly ratePerSecond: number;
  readonly state: string;
  readonly reason: string;
  readonly sinceMs: number;
  readonly retryAtMs: number | null;
  readonly calls: Calls;
  /** While it runs. */
  readonly adapter?: Adapter;
  readonly facts?: ProviderFacts;
  readonly listing?: SharedListing;
  readonly limiter?: RateLimiter;
  readonly runner?: MachineRunner;
}

const slowCallMs = 20_000;
const slowStartMs = 30_000;
/** A turn that is further away than this is worth a word: the configured rate is too low for what is asked. */
const longTurnMs = 60_000;

export function providerTroubles(c: Condition): Trouble[] {
  const own: Trouble[] = [];
  const now = c.runtime.monotonicMs();
  if (c.state === 'failed') {
    own.push({
      key: 'start',
      severity: 'critical',
      what: 'the provider is not available',
      why: c.reason,
      sinceMs: c.sinceMs,
      hint: 'it is tried again and again; check its credentials, its endpoint and the network',
      said: true,
      ...(c.retryAtMs === null ? {} : { figures: { nextTryInMs: Math.max(0, Math.round(c.retryAtMs - now)) } }),
    });
  } else if (c.state === 'starting' && now - c.sinceMs > slowStartMs) {
    own.push({
      key: 'start',
      severity: 'warning',
      what: 'the provider takes long to start',
      why: c.reason,
      sinceMs: c.sinceMs,
      hint: 'does the cloud answer?',
    });
  }
  const slow = c.calls.slow(slowCallMs);
  if (slow) {
    own.push({
      key: 'calls',
      severity: 'warning',
      what: 'calls to the cloud get no answer',
      why: `the oldest is ${slow.oldest.what}`,
      sinceMs: slow.oldest.sinceMs,
      hint: 'each is given up at its deadline and repeated where that helps; is the cloud overloaded?',
      figures: { calls: slow.count, leftBehind: slow.leftBehind },
    });
  }
  own.push(...runningTroubles(c));
  return own.map((trouble) => ({
    ...trouble,
    key: `provider ${c.name}: ${trouble.key}`,
    what: `provider ${c.name}: ${trouble.what}`,
  }));
}

function* runningTroubles({ adapter, runner, listing, limiter, facts, ratePerSecond }: Condition): Iterable<Trouble> {
  const waiting = limiter?.waiting ?? 0;
  const throttle = runner?.throttle;
  if (throttle) {
    yield {
      key: 'throttled',
      severity: 'warning',
      what: 'the cloud says that there are too many calls',
      why: throttle.message,
      sinceMs: throttle.sinceMs,
      hint: 'steps are repeated with growing pauses; lower `rate` of the provider, or ask for a higher limit',
      figures: { nextCallInMs: Math.round(limiter?.pausedForMs ?? 0), waiting },
    };
  }
  const unanswered = runner?.unanswered;
  if (unanswered) {
    yield {
      key: 'unanswered',
      severity: 'warning',
      what: 'calls of launches and deletions fail',
      why: unanswered.message,
      sinceMs: unanswered.sinceMs,
      hint: 'they are repeated with growing pauses; does the cloud answer from here, is its certificate good?',
    };
  }
  if (listing?.failure) {
    yield {
      key: 'listing',
      severity: 'warning',
      what: 'the instances cannot be listed',
      why: asProviderError(listing.failure.error).message,
      sinceMs: listing.failure.sinceMs,
      hint: 'launches and deletions of this provider wait for it; check the cloud',
      figures: { failures: listing.failure.count },
    };
  }
  const turnMs = (waiting * 1000) / ratePerSecond;
  if (turnMs > longTurnMs) {
    yield {
      key: 'rate',
      severity: 'warning',
      what: 'calls wait long for their turn',
      why: 'more is asked for than `rate` of the provider lets through',
      sinceMs: null,
      hint: 'raise `rate` if the cloud can take it',
      figures: { waiting, delayMs: Math.round(turnMs) },
    };
  }
  if (facts) yield* facts.troubles();
  if (adapter?.troubles) yield* adapter.troubles();
}
