/** Demands on what is told of the whole account: what leaked is ours, what others have is not. */
import { expect } from 'vitest';
import { idText } from '../../../driver-kit/contract.ts';
import { asProviderError } from '../../../driver-kit/errors.ts';
import { LeakDetector } from '../../../provider/leaks.ts';
import { type ConformanceTests, eventually, never } from './run.ts';

export function leaksTests(suite: ConformanceTests): void {
  suite.test('leaked resources are found and removed after two passes, others never', async (run) => {
    const provider = await run.start();
    const kept = await run.launch(provider, run.spec('0000000001'));
    await run.launch(provider, run.spec('0000000002'));
    await run.lever('addForeign')?.({ nodepool_provider_name: 'other', nodepool_node_id: '0000000002' });
    await run.lever('addForeign')?.({});
    const before = (await run.ids()).length;
    run.known.delete('0000000002');
    const detector = new LeakDetector(run.bed.config.name);
    const pass = async () => detector.pass(await provider.adapter!.listResources(never), (id) => run.known.has(id));
    expect(await pass()).toEqual([]);
    const leaked = await pass();
    expect(leaked.length).toBeGreaterThan(0);
    for (const resource of leaked) {
      expect(resource.metadata['nodepool_node_id']).toBe('0000000002');
      await provider.adapter!.deleteResource(resource, never);
      await provider.adapter!.deleteResource(resource, never).catch((error: unknown) => {
        if (asProviderError(error).code !== 'not-found') throw error;
      });
    }
    await eventually(async () => expect((await run.ids()).length).toBe(before - 1));
    expect(await run.ids()).toContain(idText(kept.externalId));
  });

  suite.withLever('addForeign', 'what others use is not ours to use', async (addForeign, run) => {
    const limitInstances = run.lever('limitInstances');
    await limitInstances?.(10);
    await addForeign({});
    await addForeign({ nodepool_provider_name: 'other', nodepool_node_id: '7' });
    const provider = await run.start();
    const limit = provider.limits()!['instances'];
    if (limitInstances) expect(limit).toBe(8);
    await run.launch(provider, run.spec('0000000001'));
    expect((await run.ids()).length).toBe(3);
  });
}
