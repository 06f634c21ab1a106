import { expect, it } from 'vitest';
import { systemRuntime } from '../base/runtime.ts';
import { bounded, onStopSignal, signalStatus } from './process.ts';

it('the first stop signal counts, and listening ends with dispose', async () => {
  const before = process.listenerCount('SIGTERM');
  const stop = onStopSignal();
  expect(process.listenerCount('SIGTERM')).toBe(before + 1);
  expect(stop.signal.aborted).toBe(false);
  process.emit('SIGUSR1');
  process.emit('SIGTERM');
  expect(await stop.received).toBe('SIGUSR1');
  expect(stop.signal.aborted).toBe(true);
  stop.dispose();
  expect(process.listenerCount('SIGTERM')).toBe(before);
  expect(process.listenerCount('SIGUSR1')).toBe(0);
});

it('an orderly end is given a limited time', async () => {
  expect(await bounded(systemRuntime, 10_000, () => Promise.resolve())).toBe(true);
  expect(await bounded(systemRuntime, 1, () => new Promise(() => undefined))).toBe(false);
  await expect(bounded(systemRuntime, 10_000, () => Promise.reject(new Error('bad')))).rejects.toThrow('bad');
});

it('reports a signal as shells do', () => {
  expect(['SIGHUP', 'SIGINT', 'SIGKILL', 'SIGTERM'].map((name) => signalStatus(name as NodeJS.Signals))).toEqual([
    129, 130, 137, 143,
  ]);
});
