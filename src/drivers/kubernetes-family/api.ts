/** Calls of one API server: JSON in, JSON out, over kept connections; and streams of watch events. */
import http from 'node:http';
import https from 'node:https';
import { createInterface } from 'node:readline';
import { withDeadline } from '../../driver-kit/deadline.ts';
import { asError, asProviderError, ProviderError } from '../../driver-kit/errors.ts';
import { onAbort } from '../../base/signals.ts';
import type { Runtime, Timer } from '../../base/runtime.ts';
import type { ClusterAccess, Credentials } from './access.ts';
import { ApiError, hasStatus, refusal } from './api-error.ts';
import { type KubeObject, readObject, text } from './objects.ts';

type Method = 'GET' | 'POST' | 'DELETE';

interface Call {
  readonly method: Method;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface ObjectList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** A server that stands still is noticed after this, and asked again. */
const callTimeoutMs = 20_000;
const pageSize = '500';
const longestAnswerBytes = 256 * 1024 * 1024;

export class KubeApi {
  readonly access: ClusterAccess;
  private readonly runtime: Runtime;
  /** Calls so far, for figures. */
  calls = 0;

  constructor(access: ClusterAccess, runtime: Runtime) {
    this.access = access;
    this.runtime = runtime;
  }

  async get(path: string, signal: AbortSignal): Promise<KubeObject> {
    return readObject(await this.call({ method: 'GET', path }, signal));
  }

  async create(path: string, body: unknown, signal: AbortSignal): Promise<KubeObject> {
    return readObject(await this.call({ method: 'POST', path, body }, signal));
  }

  /** With `uid`: only if it is still that object (409 otherwise). */
  async delete(path: string, uid: string | null, signal: AbortSignal): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(uid === null ? {} : { preconditions: { uid } }),
    };
    await this.call({ method: 'DELETE', path, body }, signal);
  }

  /** All pages of it. A page that has expired (410) means: from the beginning. */
  async list(path: string, selector: string, signal: AbortSignal): Promise<ObjectList> {
    const items: KubeObject[] = [];
    let proceed = '';
    for (;;) {
      const query = {
        limit: pageSize,
        ...(selector ? { labelSelector: selector } : {}),
        ...(proceed ? { continue: proceed } : {}),
      };
      const page = (await this.call({ method: 'GET', path, query }, signal)) as {
        readonly items?: unknown;
        readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown };
      };
      if (Array.isArray(page.items)) for (const item of page.items) items.push(readObject(item));
      proceed = typeof page.metadata?.continue === 'string' ? page.metadata.continue : '';
      if (!proceed) return { items, resourceVersion: text(page.metadata?.resourceVersion) };
    }
  }

  /** Calls back when it has begun; ends when the server ends it. */
  async *watch(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<WatchEvent> {
    const answer = await this.renewing(signal, (credentials) =>
      this.send({ method: 'GET', path, query: { ...query, watch: '1' } }, credentials, credentials.watchAgent, signal),
    );
    if (!signal.aborted) onOpen();
    const lines = createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY });
    const cut = new Promise<never>((_, reject) => answer.once('error', reject));
    cut.catch(() => {});
    const unfollow = onAbort(signal, () => answer.destroy(signal.reason as Error));
    if (signal.aborted) answer.destroy(signal.reason as Error);
    try {
      const iterator = lines[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([iterator.next(), cut]);
        if (next.done) return;
        if (next.value !== '') yield JSON.parse(next.value) as WatchEvent;
      }
    } catch (error) {
      throw error instanceof ProviderError || error === signal.reason ? error : lost(`WATCH ${path}`, asError(error));
    } finally {
      unfollow();
      lines.close();
      answer.destroy();
    }
  }

  private async call(call: Call, signal: AbortSignal): Promise<unknown> {
    const answered = await this.renewing(signal, async (credentials) => {
      const answer = await this.send(call, credentials, credentials.agent, signal);
      return readAll(answer, signal, this.runtime);
    });
    try {
      return JSON.parse(answered) as unknown;
    } catch (error) {
      throw new ApiError(
        'network',
        `${describe(call)}: the answer is no JSON`,
        { status: 0, reason: '' },
        { cause: error },
      );
    }
  }

  /** Credentials that are refused may have been renewed in the meantime, and so may what proves the server. */
  private async renewing<T>(signal: AbortSignal, work: (credentials: Credentials) => Promise<T>): Promise<T> {
    try {
      return await work(await this.credentials(signal));
    } catch (error) {
      const refused = hasStatus(error, 401) || (error instanceof ApiError && error.reason === 'TLS');
      if (!refused || !this.access.renew()) throw error;
      return work(await this.credentials(signal));
    }
  }

  /** A command that prints them may take its time, or never end. */
  private async credentials(signal: AbortSignal): Promise<Credentials> {
    const what = 'reading the credentials';
    try {
      return await withDeadline(this.runtime, callTimeoutMs, what, signal, () => this.access.credentials());
    } catch (error) {
      const { code, message } = asProviderError(error);
      throw code === 'timeout' ? noAnswer(what, message, 'Timeout') : error;
    }
  }

  /** Resolves with an answer of a status below 400. */
  private send(
    call: Call,
    { headers }: Credentials,
    agent: http.Agent,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    this.calls++;
    const url = new URL(this.access.server.replace(/\/$/, '') + call.path);
    for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.set(key, value);
    const body = call.body === undefined ? null : JSON.stringify(call.body);
    const what = describe(call);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const { request: begin } = url.protocol === 'http:' ? http : https;
      const request = begin(url, {
        method: call.method,
        agent,
        headers: {
          Accept: 'application/json',
          'User-Agent': 'nodepool',
          ...(body === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
          ...headers,
        },
      });
      const unfollow = onAbort(signal, () => request.destroy(signal.reason as Error));
      let timer: Timer | null = null;
      const end = () => {
        timer?.cancel();
        unfollow();
      };
      // Waiting for one of the connections is not the server's fault.
      request.once('socket', (socket) => {
        socket.setKeepAlive(true, 15_000);
        timer = this.runtime.setTimer(callTimeoutMs, () =>
          request.destroy(noAnswer(what, `no answer within ${callTimeoutMs / 1000} s`, 'Timeout')),
        );
      });
      request.on('error', (error) => {
        end();
        reject(error instanceof ProviderError || error === signal.reason ? error : lost(what, error));
      });
      request.once('response', (answer) => {
        end();
        const { statusCode = 0 } = answer;
        if (statusCode < 400) return resolve(answer);
        readAll(answer, signal, this.runtime).then(
          (said) => reject(refusal(what, statusCode, said, answer.headers['retry-after'])),
          reject,
        );
      });
      request.end(body ?? undefined);
    });
  }
}

function readAll(answer: http.IncomingMessage, signal: AbortSignal, runtime: Runtime): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const unfollow = onAbort(signal, () => answer.destroy(signal.reason as Error));
    const timer = runtime.setTimer(callTimeoutMs, () => answer.destroy(new Error('the answer stopped coming')));
    const end = () => {
      unfollow();
      timer.cancel();
    };
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > longestAnswerBytes) answer.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    answer.once('end', () => {
      end();
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    answer.once('error', (error) => {
      end();
      reject(error === signal.reason ? error : lost('reading the answer', error));
    });
  });
}

const describe = ({ method, path }: Call): string => `${method} ${path}`;

function noAnswer(what: string, why: string, reason: string, cause?: unknown): ApiError {
  return new ApiError('network', `${what}: ${why}`, { status: 0, reason }, { cause });
}

/** `reason` is TLS where it is about proof of identity rather than about the network. */
function lost(what: string, error: Error): ApiError {
  const { code = '' } = error as NodeJS.ErrnoException;
  const tls =
    code.startsWith('CERT_') ||
    code.startsWith('ERR_TLS') ||
    code.startsWith('ERR_SSL') ||
    code.includes('SIGNED') ||
    code.startsWith('UNABLE_TO');
  return noAnswer(
    what,
    `${error.message}${code && !error.message.includes(code) ? ` (${code})` : ''}`,
    tls ? 'TLS' : code,
    error,
  );
}
