/** Client of a fake cloud that runs as a process of its own (fake-cloud-server.ts). */
import { Agent, request as httpRequest } from 'node:http';
import { z } from 'zod';
import { ProviderError } from '../../driver-kit/errors.ts';
import type { FakeImage, FakeServer, ServerLook, ServerSpec } from './cloud.ts';
import { type CloudPort, refusalError } from './cloud-port.ts';
import { created, goneIn, imageList, look, type Problem, problem, serverList } from './wire.ts';

const mostConnections = 64;
const mostAnswerBytes = 64 * 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly text: string;
}

class StaleConnection extends ProviderError {}

export class RemoteCloud implements CloudPort {
  private readonly base: URL;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: mostConnections });

  constructor(address: string, account: string) {
    const base = URL.canParse(address) ? new URL(address) : null;
    if (base?.protocol !== 'http:')
      throw new ProviderError('permanent', `fake-cloud.address is no http:// address: ${address}`);
    this.base = new URL(`/accounts/${encodeURIComponent(account)}/`, base);
  }

  create(spec: ServerSpec, signal: AbortSignal): Promise<z.infer<typeof created>> {
    return this.ask('POST', 'servers', created, signal, spec);
  }

  look(id: string, signal: AbortSignal): Promise<ServerLook> {
    return this.ask('GET', `servers/${encodeURIComponent(id)}`, look, signal);
  }

  list(signal: AbortSignal): Promise<readonly FakeServer[]> {
    return this.ask('GET', 'servers', serverList, signal);
  }

  async delete(id: string, signal: AbortSignal): Promise<number> {
    return (await this.ask('DELETE', `servers/${encodeURIComponent(id)}`, goneIn, signal)).goneInMs;
  }

  quota(signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
    return this.ask('GET', 'quota', z.record(z.string(), z.number()), signal);
  }

  zones(signal: AbortSignal): Promise<readonly string[]> {
    return this.ask('GET', 'zones', z.array(z.string()), signal);
  }

  images(signal: AbortSignal): Promise<readonly FakeImage[]> {
    return this.ask('GET', 'images', imageList, signal);
  }

  close(): Promise<void> {
    this.agent.destroy();
    return Promise.resolve();
  }

  private async ask<T>(
    method: string,
    path: string,
    shape: z.ZodType<T>,
    signal: AbortSignal,
    body?: object,
  ): Promise<T> {
    const { status, text } = await this.exchange(method, path, signal, body);
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch (error) {
      throw new ProviderError('network', `the fake cloud's answer to ${method} ${path} is no JSON`, { cause: error });
    }
    const refused = status === 200 ? null : problem.safeParse(answer).data?.error;
    if (refused) throw asError(refused);
    const parsed = shape.safeParse(answer);
    if (status === 200 && parsed.success) return parsed.data;
    throw new ProviderError('unknown', `the fake cloud's answer to ${method} ${path} (${status}) is not understood`);
  }

  /** Every call may be repeated: creations carry a token. */
  private async exchange(method: string, path: string, signal: AbortSignal, body?: object): Promise<Answer> {
    try {
      return await this.exchangeOnce(method, path, signal, body);
    } catch (error) {
      // The other side may close a kept connection in the moment in which it is used again.
      if (!(error instanceof StaleConnection)) throw error;
      return this.exchangeOnce(method, path, signal, body);
    }
  }

  private exchangeOnce(method: string, path: string, signal: AbortSignal, body?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const fail = (cause: Error) => {
        if (signal.aborted) return reject(signal.reason as Error);
        reject(
          new ProviderError('network', `the fake cloud at ${this.base.host} cannot be reached: ${cause.message}`, {
            cause,
          }),
        );
      };
      const headers =
        payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
      const request = httpRequest(
        new URL(path, this.base),
        { method, agent: this.agent, signal, headers },
        (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            size += chunk.length;
            if (size > mostAnswerBytes) response.destroy(new Error('the answer is too large'));
          });
          response.on('error', fail);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
          );
        },
      );
      request.on('error', fail);
      request.end(payload);
    });
  }
}

function asError(refused: Problem): ProviderError {
  switch (refused.kind) {
    case 'not-found':
      return new ProviderError('not-found', refused.message);
    case 'throttled':
      return new ProviderError('throttled', refused.message);
    case 'unavailable':
      return new ProviderError('network', refused.message);
    default:
      return refusalError(refused.kind, refused.message, refused.serverId);
  }
}
