/**
 * Reaches a host and reads its SSH host keys by real key exchanges, one for each key type that both sides know. A host
 * that does not answer yet is tried again until the time is up (spec: launcher 3.3, static driver 4.2).
 */
import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { asProviderError } from '../errors.ts';
import { connectToAny, ConnectivityError, resolveName } from './connectivity.ts';
import { onAbort } from '../../base/signals.ts';
import { Semaphore } from '../../base/semaphore.ts';

export interface ScanTarget {
  readonly address: string;
  readonly port: number;
  readonly connectionType: string;
}

export interface ScanOptions {
  /** For all of it, waiting for one's turn included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const fakeKey = 'ssh-rsa FAKEKEY';
const singleAttemptMs = 10_000;
const shortestPauseMs = 100;
const longestPauseMs = 1000;
/** Tries for one more key type of a host that was just seen to work. */
const triesPerType = 6;
/** One exchange each; an RSA key is asked for by its newest signatures first. */
const keyTypes: readonly (readonly ServerHostKeyAlgorithm[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256'],
  ['ecdsa-sha2-nistp384'],
  ['ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
];

/** For other connection types an open port is enough. */
export const gathersKeys = (connectionType: string): boolean =>
  connectionType === 'ssh' || connectionType === 'network_cli';

/** Tests and demonstrations: such an address is never connected to. */
const isFake = (address: string): boolean => address.includes('fake');

export class HostKeyScanner {
  private readonly runtime: Runtime;
  private readonly semaphore: Semaphore;

  constructor(runtime: Runtime, mostAtOnce = 100) {
    this.runtime = runtime;
    this.semaphore = new Semaphore(mostAtOnce);
  }

  /** Lines `<type> <base64>`, none for connection types without keys. Rejects with a ConnectivityError, or the signal's reason. */
  async scan(target: ScanTarget, o: ScanOptions): Promise<readonly string[]> {
    const withKeys = gathersKeys(target.connectionType);
    if (isFake(target.address)) return withKeys ? [fakeKey] : [];
    return this.limited(target, o, (signal) =>
      this.untilItAnswers(target, signal, () => (withKeys ? this.keys(target, signal) : this.touch(target, signal))),
    );
  }

  /** Does anybody listen there? One try only. Rejects with a ConnectivityError, or the signal's reason. */
  async reach(target: ScanTarget, o: ScanOptions): Promise<void> {
    if (isFake(target.address)) return;
    await this.limited(target, o, (signal) => this.touch(target, signal));
  }

  private async limited<T>(target: ScanTarget, o: ScanOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const where = `${target.address} port ${target.port}`;
    const abort = new AbortController();
    // All exchanges of one scan listen to it, a few each.
    setMaxListeners(0, abort.signal);
    const silent = new ConnectivityError('silent', `${where} does not answer within ${o.timeoutMs / 1000} s`);
    const timer = this.runtime.setTimer(o.timeoutMs, () => abort.abort(silent));
    const unfollow = onAbort(o.signal, () => abort.abort(o.signal.reason));
    if (o.signal.aborted) abort.abort(o.signal.reason);
    try {
      return await this.semaphore.use(abort.signal, () => work(abort.signal));
    } finally {
      timer.cancel();
      unfollow();
    }
  }

  private async untilItAnswers<T>(target: ScanTarget, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    let last: ConnectivityError | null = null;
    for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      try {
        return await work();
      } catch (error) {
        if (!signal.aborted && error instanceof ConnectivityError) last = error;
        else if (!signal.aborted) throw asProviderError(error);
      }
      try {
        await sleep(this.runtime, pauseMs, signal);
      } catch (reason) {
        // The last thing that the host did says more than that the time is up.
        if (!(reason instanceof ConnectivityError) || last === null) throw reason;
        throw new ConnectivityError(
          last.problem,
          `${target.address} port ${target.port}: ${last.message}; ${reason.message}`,
          { cause: last },
        );
      }
    }
  }

  private async touch(target: ScanTarget, signal: AbortSignal): Promise<readonly string[]> {
    const socket = await this.connect(await resolveName(target.address, signal), target.port, signal);
    socket.destroy();
    return [];
  }

  private connect(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
    return connectToAny(addresses, port, { timeoutMs: singleAttemptMs, signal, runtime: this.runtime });
  }

  private async keys(target: ScanTarget, signal: AbortSignal): Promise<readonly string[]> {
    // SSH is a tenth of a second of loading, which a launcher that gathers no keys need not spend.
    const { exchangeKeys } = await import('./ssh-exchange.ts');
    const addresses = await resolveName(target.address, signal);
    const exchange = async (to: readonly string[], types: readonly ServerHostKeyAlgorithm[]) => {
      const socket = await this.connect(to, target.port, signal);
      const address = socket.remoteAddress;
      return {
        address,
        key: await exchangeKeys(socket, types, { timeoutMs: singleAttemptMs, signal, runtime: this.runtime }),
      };
    };
    const first = await exchange(addresses, keyTypes.flat());
    const same = first.address === undefined ? addresses : [first.address];
    const firstType = first.key.slice(0, first.key.indexOf(' '));
    const others = keyTypes.filter((types) => !types.some((type) => type === firstType));
    const found = await Promise.all(others.map((types) => this.oneMore(() => exchange(same, types), signal)));
    return [first.key, ...found.filter((key): key is string => key !== null)];
  }

  /** null: the host has no key of that type. A busy sshd drops connections at random, hence more than one try. */
  private async oneMore(
    exchange: () => Promise<{ readonly key: string }>,
    signal: AbortSignal,
  ): Promise<string | null> {
    for (let tried = 1; ; tried++) {
      try {
        return (await exchange()).key;
      } catch (error) {
        if (signal.aborted || !(error instanceof ConnectivityError)) throw error;
        if (error.problem === 'negotiation' || tried >= triesPerType) return null;
        await sleep(this.runtime, shortestPauseMs * tried, signal);
      }
    }
  }
}
