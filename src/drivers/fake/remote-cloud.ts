/** Client of a fake cloud that runs as a process of its own (fake-cloud-server.ts). */
import { ProviderError } from '../../provider/errors.ts';
import type { CloudPort } from './cloud-port.ts';
import type { CreateAnswer, FakeServer, FakeServerSpec } from './cloud.ts';

export class RemoteCloud implements CloudPort {
  private readonly base: string;

  constructor(address: string, account: string) {
    this.base = `${address.replace(/\/$/, '')}/accounts/${encodeURIComponent(account)}`;
  }

  create(spec: FakeServerSpec, signal: AbortSignal): Promise<CreateAnswer> {
    return this.ask('POST', '/servers', signal, spec) as Promise<CreateAnswer>;
  }

  async activeInMs(id: string, signal: AbortSignal): Promise<number | null | undefined> {
    const answer = (await this.ask('GET', `/servers/${encodeURIComponent(id)}`, signal)) as {
      activeInMs?: number | null;
    };
    return answer.activeInMs;
  }

  list(signal: AbortSignal): Promise<readonly FakeServer[]> {
    return this.ask('GET', '/servers', signal) as Promise<readonly FakeServer[]>;
  }

  async delete(id: string, signal: AbortSignal): Promise<boolean> {
    const answer = (await this.ask('DELETE', `/servers/${encodeURIComponent(id)}`, signal)) as { deleted: boolean };
    return answer.deleted;
  }

  quota(signal: AbortSignal): Promise<Record<string, number>> {
    return this.ask('GET', '/quota', signal) as Promise<Record<string, number>>;
  }

  zones(signal: AbortSignal): Promise<readonly string[]> {
    return this.ask('GET', '/zones', signal) as Promise<readonly string[]>;
  }

  async hasImage(name: string, signal: AbortSignal): Promise<boolean> {
    return ((await this.ask('GET', '/images', signal)) as string[]).includes(name);
  }

  private async ask(method: string, path: string, signal: AbortSignal, body?: object): Promise<unknown> {
    try {
      const answer = await fetch(this.base + path, { method, signal, ...(body ? { body: JSON.stringify(body) } : {}) });
      if (!answer.ok)
        throw new ProviderError('status', `the fake cloud answered ${answer.status} to ${method} ${path}`);
      return await answer.json();
    } catch (error) {
      if (error instanceof ProviderError || signal.aborted) throw error;
      throw new ProviderError('network', `the fake cloud at ${this.base} can't be reached: ${String(error)}`, {
        cause: error,
      });
    }
  }
}
