/** Drives the machines of one provider: step by step, each step with a deadline, waiting for what the step says. */
import { type Runtime, sleep } from '../runtime.ts';
import type { Adapter, ExternalId, Instance, Json, LaunchSpec, StepContext, Wait } from './adapter.ts';
import { withDeadline } from './deadline.ts';
import { asProviderError, NotFoundError, ProviderError, TimeoutError } from './errors.ts';
import { idText, type SharedListing } from './listing.ts';
import type { Logger } from './logger.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface RunnerOptions {
  readonly adapter: Adapter;
  readonly providerName: string;
  readonly runtime: Runtime;
  readonly log: Logger;
  readonly listing: SharedListing;
  readonly limiter: RateLimiter;
  /** For one call of the adapter. */
  readonly stepTimeoutMs: number;
}

export interface MachineView {
  readonly what: string;
  readonly waitsFor: string;
  readonly sinceMs: number;
}

export class MachineRunner {
  private readonly o: RunnerOptions;
  private readonly active = new Map<symbol, MachineView>();

  constructor(options: RunnerOptions) {
    this.o = options;
  }

  get activeCount(): number {
    return this.active.size;
  }

  /** What each machine waits for, and since when (monotonic milliseconds). */
  machines(): MachineView[] {
    return [...this.active.values()];
  }

  /** Rejects with a ProviderError whose `externalId` says what may be left behind. */
  async launch(
    spec: LaunchSpec,
    o: {
      timeoutMs: number;
      signal: AbortSignal;
      resume?: Json;
      onExternalId: (id: ExternalId, state: Json) => Promise<void>;
    },
  ): Promise<Instance> {
    const { adapter } = this.o;
    let known: ExternalId | undefined;
    try {
      return await this.machine(`launch for node ${spec.nodeId}`, o, async (context, wait) => {
        let state = o.resume ?? adapter.beginCreate(spec);
        for (;;) {
          await this.o.limiter.take(context.signal);
          const step = await this.step(`creating for node ${spec.nodeId}`, context, (c) => adapter.advanceCreate(state, spec, c));
          if (step.done) {
            if (known === undefined) await o.onExternalId(step.instance.externalId, state);
            return step.instance;
          }
          state = step.state;
          if (step.externalId !== undefined && (known === undefined || idText(known) !== idText(step.externalId))) {
            known = step.externalId;
            await o.onExternalId(known, state);
          }
          await wait(step.wait);
        }
      });
    } catch (error) {
      if (!(error instanceof ProviderError) || error.externalId !== undefined || known === undefined) throw error;
      throw new ProviderError(error.code, error.message, { cause: error, externalId: known });
    }
  }

  /** Not found is done. */
  async remove(externalId: ExternalId, o: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const { adapter } = this.o;
    try {
      await this.machine(`deletion of ${idText(externalId)}`, o, async (context, wait) => {
        let state = adapter.beginDelete(externalId);
        for (;;) {
          await this.o.limiter.take(context.signal);
          const step = await this.step(`deleting ${idText(externalId)}`, context, (c) => adapter.advanceDelete(state, c));
          if (step.done) return;
          state = step.state;
          await wait(step.wait);
        }
      });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  private async machine<T>(
    what: string,
    o: { timeoutMs: number; signal: AbortSignal },
    run: (context: StepContext, wait: (w: Wait) => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const key = Symbol(what);
    const deadline = new AbortController();
    const timer = this.o.runtime.setTimer(o.timeoutMs, () =>
      deadline.abort(new TimeoutError(`${what} took longer than ${Math.round(o.timeoutMs / 1000)} s`)),
    );
    const signal = AbortSignal.any([o.signal, deadline.signal]);
    const context: StepContext = { signal, listing: () => this.o.listing.current(), log: this.o.log };
    const note = (waitsFor: string) => this.active.set(key, { what, waitsFor, sinceMs: this.o.runtime.monotonicMs() });
    note('the cloud');
    try {
      return await run(context, async (w) => {
        note(w.kind === 'listing' ? 'the next listing' : w.kind === 'delay' ? `${w.ms} ms` : 'an event of the cloud');
        await this.wait(w, signal);
        note('the cloud');
      });
    } catch (error) {
      throw signal.aborted ? (signal.reason as Error) : error;
    } finally {
      timer.cancel();
      this.active.delete(key);
    }
  }

  private wait(w: Wait, signal: AbortSignal): Promise<void> {
    if (w.kind === 'delay') return sleep(this.o.runtime, w.ms, signal);
    const event = w.kind === 'listing' ? this.o.listing.next() : w.promise;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      void event.then(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  private step<T>(what: string, context: StepContext, work: (context: StepContext) => Promise<T>): Promise<T> {
    const { runtime, stepTimeoutMs } = this.o;
    return withDeadline(runtime, stepTimeoutMs, what, context.signal, (signal) =>
      work({ ...context, signal }).catch((error: unknown) => {
        throw asProviderError(error);
      }),
    );
  }
}
