/**
 * Drives the launches and deletions of one provider on the event loop: step by step, waiting between the steps for what the
 * adapter says. A call that hangs ends its own machine at its deadline and delays no other one.
 */
import { type Runtime, sleep } from '../base/runtime.ts';
import type { Adapter, ExternalId, Instance, Json, LaunchSpec, StepContext, Wait } from '../driver-kit/contract.ts';
import { Backoff } from '../base/backoff.ts';
import { RecentFailure, type FailureReport } from './recent-failure.ts';
import { asProviderError, ProviderError } from '../driver-kit/errors.ts';
import { idText } from '../driver-kit/contract.ts';
import { type SharedListing } from './listing.ts';
import type { Logger } from '../base/logger.ts';
import { Machine, type MachineView } from './machine.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface RunnerDeps {
  readonly adapter: Adapter;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly listing: SharedListing;
  readonly limiter: RateLimiter;
}

export interface RunnerOptions {
  readonly providerName: string;
  /** For one call of the adapter. */
  readonly stepTimeoutMs: number;
}

export interface MachineOptions {
  /** For all of it; on expiry it fails with `timeout`. */
  readonly timeoutMs: number;
  /** Aborted: the machine ends at once with the signal's reason. */
  readonly signal: AbortSignal;
}

export interface LaunchMachineOptions extends MachineOptions {
  /** State to go on with and the id stored beside it. */
  readonly resume?: Json;
  readonly resumeExternalId?: ExternalId;
  /** So long a creation goes on after the signal, until its id is stored; default: not at all. */
  readonly graceMs?: number;
  /** Awaited before the machine goes on, so that the id is stored before it can be lost. */
  readonly onExternalId: (id: ExternalId, state: Json) => Promise<void>;
}

/** The cloud throttles as long as it has said so within this time. */
const throttleMemoryMs = 60_000;
/** Calls fail as long as one has within this time, and none has succeeded since. */
const failureMemoryMs = 120_000;
/** Steps that are repeated because the cloud was too busy or the network failed, before the machine gives up. */
const mostRepeats = 8;

export class MachineRunner {
  private readonly deps: RunnerDeps;
  private readonly options: RunnerOptions;
  private readonly active = new Set<Machine>();
  private idleListeners: (() => void)[] = [];
  private readonly failing: RecentFailure;
  private readonly throttled: RecentFailure;

  constructor(deps: RunnerDeps, options: RunnerOptions) {
    this.deps = deps;
    this.options = options;
    this.failing = new RecentFailure(deps.runtime, failureMemoryMs);
    this.throttled = new RecentFailure(deps.runtime, throttleMemoryMs);
  }

  get launching(): number {
    return this.count('launch');
  }

  get deleting(): number {
    return this.count('deletion');
  }

  /** Says the cloud that it gets too many calls? Since when, and in which words. */
  get throttle(): FailureReport | null {
    return this.deps.limiter.pausedForMs > 0 ? this.throttled.last : this.throttled.recent;
  }

  /** Steps are repeated since the network or the cloud fails? Since when, and in which words. */
  get unanswered(): FailureReport | null {
    return this.failing.recent;
  }

  /** What each machine waits for, and since when. */
  machines(): MachineView[] {
    return [...this.active].map((machine) => machine.view);
  }

  /** Resolves when no machine runs. */
  drained(): Promise<void> {
    if (this.active.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleListeners.push(resolve));
  }

  /** Rejects with a ProviderError whose `externalId` says what may be left behind, or with the signal's reason. */
  async launch(spec: LaunchSpec, options: LaunchMachineOptions): Promise<Instance> {
    const { adapter } = this.deps;
    let known = options.resumeExternalId;
    const body = async (machine: Machine): Promise<Instance> => {
      let state = options.resume ?? adapter.beginCreate(spec);
      const context = this.context(machine);
      await this.turn(machine);
      const advance = async () => {
        const step = await this.repeat(
          machine,
          // A creation whose answer was lost may have happened, and must not happen twice.
          () => known !== undefined || adapter.createIsIdempotent === true,
          () => adapter.advanceCreate(state, spec, context),
        );
        const id = step.done ? step.instance.externalId : step.externalId;
        if (!step.done) state = step.state;
        if (id !== undefined && (known === undefined || idText(known) !== idText(id))) {
          known = id;
          machine.note('the external id to be stored');
          await options.onExternalId(id, state);
        }
        return step;
      };
      for (;;) {
        const step = known === undefined ? await machine.sheltered(options.graceMs ?? 0, advance) : await advance();
        machine.check();
        if (step.done) return step.instance;
        await this.wait(machine, step.wait);
      }
    };
    try {
      return await this.run(new Machine('launch', spec.nodeId, this.deps.runtime), options, body);
    } catch (error) {
      if (!(error instanceof ProviderError) || error.externalId !== undefined || known === undefined) throw error;
      const { retryAfterMs } = error;
      throw new ProviderError(error.code, error.message, {
        cause: error,
        externalId: known,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
  }

  /** Not found is done. */
  async remove(externalId: ExternalId, options: MachineOptions): Promise<void> {
    const { adapter } = this.deps;
    const body = async (machine: Machine): Promise<void> => {
      let state = adapter.beginDelete(externalId);
      const context = this.context(machine);
      await this.turn(machine);
      for (;;) {
        const step = await this.repeat(machine, always, () => adapter.advanceDelete(state, context));
        machine.check();
        if (step.done) return;
        state = step.state;
        await this.wait(machine, step.wait);
      }
    };
    try {
      await this.run(new Machine('deletion', idText(externalId), this.deps.runtime), options, body);
    } catch (error) {
      if (asProviderError(error).code !== 'not-found') throw error;
    }
  }

  private count(kind: Machine['kind']): number {
    let count = 0;
    for (const machine of this.active) if (machine.kind === kind) count++;
    return count;
  }

  private async run<T>(machine: Machine, options: MachineOptions, body: (machine: Machine) => Promise<T>): Promise<T> {
    this.active.add(machine);
    try {
      return await machine.run(options.timeoutMs, options.signal, () => body(machine));
    } finally {
      this.active.delete(machine);
      if (this.active.size === 0) for (const resolve of this.idleListeners.splice(0)) resolve();
    }
  }

  private context(machine: Machine): StepContext {
    return { signal: machine.signal, listing: () => this.deps.listing.current(), log: this.deps.log };
  }

  /** One step, repeated with growing pauses when the cloud says "too many calls", or when a question got lost. */
  private async repeat<T>(machine: Machine, networkToo: () => boolean, work: () => Promise<T>): Promise<T> {
    let backoff: Backoff | null = null;
    for (;;) {
      try {
        const done = await machine.step(this.options.stepTimeoutMs, work);
        // Not any step that passes: some ask the cloud nothing.
        if (backoff) this.failing.forget();
        return done;
      } catch (error) {
        machine.check();
        if (!(error instanceof ProviderError)) throw error;
        if (error.code === 'throttled') this.throttled.note(error.message, this.throttle);
        if (error.code === 'network') this.failing.note(error.message);
        const passing = error.code === 'throttled' || (error.code === 'network' && networkToo());
        backoff ??= new Backoff({ runtime: this.deps.runtime, firstMs: 250, mostMs: 15_000 });
        if (!passing || backoff.failures >= mostRepeats) throw error;
        const pauseMs = Math.max(error.retryAfterMs ?? 0, backoff.nextMs());
        // It is the account that makes too many calls, not this machine alone.
        if (error.code === 'throttled') this.deps.limiter.pauseFor(pauseMs);
        machine.note(`another try after: ${error.message}`);
        this.deps.log.debug(
          { provider: this.options.providerName, machine: machine.of, err: error },
          'A step is repeated',
        );
        await sleep(this.deps.runtime, pauseMs, machine.signal);
        await this.turn(machine);
      }
    }
  }

  private turn(machine: Machine): Promise<void> {
    machine.note('its turn (rate limit)');
    return this.deps.limiter.take(machine.signal);
  }

  private wait(machine: Machine, wait: Wait): Promise<void> {
    switch (wait.kind) {
      case 'listing':
        machine.note('the next listing');
        return this.deps.listing.next(machine.signal);
      case 'delay':
        machine.note(wait.what ?? `a delay of ${wait.ms} ms`);
        return sleep(this.deps.runtime, wait.ms, machine.signal);
      case 'turn':
        return this.turn(machine);
      case 'event':
        machine.note(wait.what ?? 'an event of the cloud');
        return machine.until(wait.promise);
    }
  }
}

const always = () => true;
