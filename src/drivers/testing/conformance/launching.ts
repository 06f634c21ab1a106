/** Demands on launching: ids, marks, take-over, repetition. */
import { expect } from 'vitest';
import { idText } from '../../../driver-kit/contract.ts';
import { ProviderError } from '../../../driver-kit/errors.ts';
import { provided, shownAfterAll } from './bed.ts';
import { type ConformanceTests, never, type Stored } from './run.ts';

export function launchingTests(suite: ConformanceTests): void {
  suite.test('knows its zones, limits and what a label needs', async (run) => {
    const provider = await run.start();
    expect(provider.zones()!.length).toBeGreaterThan(0);
    const { need } = provider.labelStatus(run.bed.label);
    expect(need).toMatchObject({ instances: 1 });
    for (const amount of Object.values(need!)) expect(amount).toBeGreaterThanOrEqual(0);
  });

  suite.test('launches an instance that carries its node, and tells its id before it is usable', async (run) => {
    const provider = await run.start();
    const stored: Stored[] = [];
    const instance = await run.launch(provider, run.spec('0000000001'), { stored });
    expect(stored.map((one) => one.id)).toEqual([instance.externalId]);
    expect(instance.interfaceIp).toBeTruthy();
    expect(instance.resources).toEqual(provider.labelStatus(run.bed.label).need);
    const there = await run.bed.instances();
    expect(there.length).toBe(1);
    expect(there[0]!.metadata).toMatchObject({ ...run.spec('0000000001').metadata });
    const [listed] = await provider.adapter!.listInstances(never);
    expect(idText(listed!.externalId)).toBe(idText(instance.externalId));
    expect(listed!.metadata).toMatchObject({
      nodepool_node_id: '0000000001',
      nodepool_provider_name: run.bed.config.name,
    });
    expect(listed!.resources).toEqual(instance.resources);
  });

  suite.test('many at once are many different ones', async (run) => {
    const provider = await run.start();
    const made = await Promise.all(
      Array.from({ length: 15 }, (_, i) => run.launch(provider, run.spec(`00000001${i + 10}`))),
    );
    expect(new Set(made.map((one) => idText(one.externalId))).size).toBe(15);
    expect((await run.ids()).length).toBe(15);
    await Promise.all(made.map((one) => run.remove(provider, one.externalId)));
    expect(await run.ids()).toEqual([]);
  });

  suite.test('a launcher that takes over goes on with a stored launch', async (run) => {
    const stored = await run.killedLaunch(await run.start(), run.spec('0000000001'));
    const instance = await run.takeOver(await run.start(), run.spec('0000000001'), stored);
    expect(idText(instance.externalId)).toBe(idText(stored.id));
    expect((await run.ids()).length).toBe(1);
  });

  suite.demanding('repeatedCreation', 'a creation that is repeated after a crash finds its instance', async (run) => {
    const first = await run.start();
    expect(first.adapter!.createIsIdempotent, 'or declare repeatedCreation as not shown').toBe(true);
    await run.killedLaunch(first, run.spec('0000000001'));
    // As if the id had not been stored.
    const instance = await run.launch(await run.start(), run.spec('0000000001'));
    expect(await run.ids()).toEqual([idText(instance.externalId)]);
    // Another attempt is another instance.
    await run.launch(first, run.spec('0000000001', 2));
    expect((await run.ids()).length).toBe(2);
  });

  suite.demanding(
    'repeatedCreation',
    'no step makes a second instance when it is repeated with its state',
    async (run) => {
      const instance = await run.launchInDoubledSteps(await run.start(), run.spec('0000000001'));
      expect(await run.ids()).toEqual([idText(instance.externalId)]);
    },
  );

  suite.demanding('impossibleLabel', 'a label that can never work is a permanent error', async (run) => {
    const { adapter } = await run.start();
    const label = provided(run.bed, [], 'impossibleLabel')!;
    await expect(adapter!.quotaForLabel(label, never)).rejects.toMatchObject({ code: 'permanent' });
  });

  suite.demanding('labelWithMissingImage', 'a label whose image is missing is not ready', async (run) => {
    const { adapter } = await run.start();
    const label = provided(run.bed, [], 'labelWithMissingImage')!;
    expect(await adapter!.labelReady(label, never)).toBe(false);
  });

  suite.test('what is declared as not shown is not there', async (run) => {
    const { adapter } = await run.start();
    expect(shownAfterAll(run.bed, adapter!, run.notShown)).toEqual([]);
  });

  suite.test('stops cleanly and can be started again', async (run) => {
    const first = await run.start();
    const { externalId } = await run.launch(first, run.spec('0000000001'));
    const second = await run.start();
    await first.stop();
    await expect(run.launch(first, run.spec('0000000002'))).rejects.toBeInstanceOf(ProviderError);
    await run.remove(second, externalId);
    expect(await run.ids()).toEqual([]);
  });
}
