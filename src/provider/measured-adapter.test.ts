import { expect, it } from 'vitest';
import type { Adapter } from '../driver-kit/contract.ts';
import { ProviderError } from '../driver-kit/errors.ts';
import { measured } from './measured-adapter.ts';
import { VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

it('times calls by operation and outcome, and changes nothing else', async () => {
  const runtime = new VirtualRuntime();
  class Cloud {
    readonly #secret = 7;
    imageCheckMs = 1;
    async listInstances() {
      await new Promise<void>((resolve) => runtime.setTimer(250, resolve));
      return [this.#secret];
    }
    async quotaLimits() {
      throw new ProviderError('quota', 'no');
    }
    beginCreate() {
      return { secret: this.#secret };
    }
  }
  const raw = new Cloud();
  const seen: unknown[] = [];
  const adapter = measured(raw as unknown as Adapter, runtime, (...call) => seen.push(call));
  const listing = adapter.listInstances(new AbortController().signal);
  await runtime.advance(250);
  expect(await listing).toEqual([7]);
  await expect(adapter.quotaLimits(new AbortController().signal)).rejects.toMatchObject({
    name: 'ProviderError',
    code: 'quota',
  });
  expect(adapter.beginCreate({} as never)).toEqual({ secret: 7 });
  raw.imageCheckMs = 2;
  expect(adapter.imageCheckMs).toBe(2);
  expect(adapter.consoleLog).toBeUndefined();
  expect(seen).toEqual([
    ['list_instances', 'ok', 250],
    ['quota_limits', 'quota', 0],
  ]);
});
