/** Name lookup and TCP connection: tries all addresses of a name, starting the next one while the last is still silent. */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import type { Runtime } from '../../base/runtime.ts';
import { asError, ProviderError, type ProviderErrorOptions } from '../errors.ts';
import { Semaphore } from '../../base/semaphore.ts';

export type ConnectivityProblem =
  | 'name'
  | 'refused'
  | 'unreachable'
  | 'silent'
  | 'closed'
  | 'not-ssh'
  | 'negotiation'
  | 'keys-differ';

/** Why a host cannot be used; the message says it in words. */
export class ConnectivityError extends ProviderError {
  readonly problem: ConnectivityProblem;

  constructor(problem: ConnectivityProblem, message: string, options?: ProviderErrorOptions) {
    super('keyscan', message, options);
    this.name = 'ConnectivityError';
    this.problem = problem;
  }
}

/** The next address gets its chance after this (RFC 8305). */
const staggerMs = 250;
/** The system's resolver has few threads, which others need too; an unanswered look-up must not take them all. */
const lookups = new Semaphore(2);

/** All addresses, in the system's order of preference. Rejects with a ConnectivityError, or the signal's reason. */
export async function resolveName(name: string, signal: AbortSignal): Promise<readonly string[]> {
  if (isIP(name) !== 0) return [name];
  // A look-up cannot be called off: it keeps its slot to its end, whoever asked may go at once.
  return untilAborted(
    signal,
    lookups.use(signal, () => lookUp(name)),
  );
}

async function lookUp(name: string): Promise<readonly string[]> {
  try {
    const found = await lookup(name, { all: true });
    return [...new Set(found.map((one) => one.address))];
  } catch (error) {
    throw new ConnectivityError('name', `the name ${name} cannot be resolved (${codeOf(error)})`, { cause: error });
  }
}

/** A connected socket to the first address that answers. Rejects with the last address's ConnectivityError, or the signal's reason. */
export function connectToAny(
  addresses: readonly string[],
  port: number,
  o: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly runtime: Runtime },
): Promise<Socket> {
  const { runtime, signal } = o;
  const sockets = new Set<Socket>();
  return new Promise<Socket>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    let next = 0;
    let failed = 0;
    let problem: Error | null = null;
    const end = (keep?: Socket) => {
      stagger.cancel();
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      for (const socket of sockets) if (socket !== keep) socket.destroy();
    };
    const onAbort = () => {
      end();
      reject(signal.reason as Error);
    };
    const tryNext = () => {
      stagger.cancel();
      const address = addresses[next++];
      if (address === undefined) return;
      const socket = connect({ host: address, port });
      sockets.add(socket);
      const onError = (error: unknown) => {
        sockets.delete(socket);
        problem = asConnectivityError(error, address, port);
        failed++;
        if (failed < addresses.length) return tryNext();
        end();
        reject(problem);
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        end(socket);
        socket.off('error', onError);
        resolve(socket);
      });
      if (next < addresses.length) stagger = runtime.setTimer(staggerMs, tryNext);
    };
    let stagger = { cancel: () => {} };
    const timer = runtime.setTimer(o.timeoutMs, () => {
      end();
      reject(
        problem ??
          new ConnectivityError(
            'silent',
            `${addresses.join(', ')} port ${port} does not answer within ${o.timeoutMs / 1000} s`,
          ),
      );
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (addresses.length === 0) {
      end();
      return reject(new ConnectivityError('name', 'the name has no address'));
    }
    tryNext();
  });
}

function asConnectivityError(error: unknown, address: string, port: number): ConnectivityError {
  const code = codeOf(error);
  return code === 'ECONNREFUSED'
    ? new ConnectivityError('refused', `the connection to ${address} port ${port} was refused`, { cause: error })
    : new ConnectivityError('unreachable', `${address} port ${port} cannot be reached (${code})`, { cause: error });
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? asError(error).message;
}

/** The result of something that cannot be cancelled, unless the signal fires first. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
