/** Demands on what happens when the cloud fails, each with a lever on it. */
import { expect } from 'vitest';
import { type ExternalId, idText } from '../../../driver-kit/contract.ts';
import { ProviderError } from '../../../driver-kit/errors.ts';
import { type ConformanceTests, eventually, failureOf, never } from './run.ts';

export function faultsTests(suite: ConformanceTests): void {
  suite.withLever(
    'limitInstances',
    'over the quota: an error of that class, and room again later',
    async (limitInstances, run) => {
      const provider = await run.start();
      await limitInstances(1);
      const { externalId } = await run.launch(provider, run.spec('0000000001'));
      await expect(run.launch(provider, run.spec('0000000002'))).rejects.toMatchObject({ code: 'quota' });
      await eventually(() => expect(provider.limits()).toMatchObject({ instances: 1 }));
      await run.remove(provider, externalId);
      await run.launch(provider, run.spec('0000000003'));
      expect((await run.ids()).length).toBe(1);
    },
  );

  suite.withLever(
    'failCreates',
    'a failed creation leaves nothing, the next attempt works',
    async (failCreates, run) => {
      const provider = await run.start();
      await failCreates(1);
      await expect(run.launch(provider, run.spec('0000000001'))).rejects.toBeInstanceOf(ProviderError);
      expect(await run.ids()).toEqual([]);
      await run.launch(provider, run.spec('0000000001', 2));
      expect((await run.ids()).length).toBe(1);
    },
  );

  suite.withLever('failDeletes', 'a failed deletion is an error, the next one works', async (failDeletes, run) => {
    const provider = await run.start();
    const { externalId } = await run.launch(provider, run.spec('0000000001'));
    await failDeletes(1);
    await expect(run.remove(provider, externalId)).rejects.toBeInstanceOf(ProviderError);
    await run.remove(provider, externalId);
    expect(await run.ids()).toEqual([]);
  });

  suite.withLever(
    'neverActive',
    'an instance that never becomes usable: a timeout that names it',
    async (neverActive, run) => {
      const provider = await run.start();
      await neverActive(1);
      const failure = await failureOf(run.launch(provider, run.spec('0000000001'), { timeoutMs: 1500 }));
      expect(failure.code).toBe('timeout');
      expect(await run.ids()).toEqual([idText(failure.externalId)]);
      await run.remove(provider, failure.externalId as ExternalId);
      expect(await run.ids()).toEqual([]);
    },
  );

  suite.withLever(
    'breakInstances',
    'an instance that breaks while it starts: an error that names it',
    async (breakInstances, run) => {
      const provider = await run.start();
      await breakInstances(1);
      const failure = await failureOf(run.launch(provider, run.spec('0000000001')));
      expect(failure).toBeInstanceOf(ProviderError);
      expect(failure.code).not.toBe('timeout');
      await run.remove(provider, failure.externalId as ExternalId);
      expect(await run.ids()).toEqual([]);
    },
  );

  suite.withLever('throttle', 'a cloud that is asked too much is asked again later', async (throttle, run) => {
    const provider = await run.start();
    await throttle(3);
    const { externalId } = await run.launch(provider, run.spec('0000000001'));
    await throttle(2);
    await run.remove(provider, externalId);
    expect(await run.ids()).toEqual([]);
  });

  suite.withLever(
    'loseCreateAnswers',
    'an answer that is lost makes no second instance',
    async (loseCreateAnswers, run) => {
      const provider = await run.start();
      await loseCreateAnswers(1);
      const launched = run.launch(provider, run.spec('0000000001'));
      if (provider.adapter!.createIsIdempotent) await launched;
      else await expect(launched).rejects.toMatchObject({ code: 'network' });
      expect((await run.ids()).length).toBe(1);
    },
  );

  suite.withLever('unavailable', 'a short outage is survived', async (unavailable, run) => {
    const provider = await run.start();
    const { externalId } = await run.launch(provider, run.spec('0000000001'));
    await unavailable(2);
    await run.remove(provider, externalId);
    expect(await run.ids()).toEqual([]);
  });

  suite.withLever(
    'hang',
    'a cloud that does not answer: deadlines hold, and it goes on when it answers again',
    async (hang, run) => {
      const provider = await run.start();
      await hang(true);
      const before = performance.now();
      await expect(run.launch(provider, run.spec('0000000001'), { timeoutMs: 500 })).rejects.toMatchObject({
        code: 'timeout',
      });
      await expect(
        provider.remove(run.bed.unknownId ?? 'any', { timeoutMs: 500, signal: never }),
      ).rejects.toMatchObject({
        code: 'timeout',
      });
      expect(performance.now() - before).toBeLessThan(3000);
      expect(provider.machines()).toEqual([]);
      await hang(false);
      const { externalId } = await run.launch(provider, run.spec('0000000002'));
      expect(await run.ids()).toContain(idText(externalId));
    },
  );
}
