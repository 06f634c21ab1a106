/** Demands on deleting. */
import { expect } from 'vitest';
import type { ConformanceTests } from './run.ts';

export function deletingTests(suite: ConformanceTests): void {
  suite.test('deletes it, and what is gone is deleted', async (run) => {
    const provider = await run.start();
    const { externalId } = await run.launch(provider, run.spec('0000000001'));
    await run.remove(provider, externalId);
    expect(await run.ids()).toEqual([]);
    await run.remove(provider, externalId);
  });

  suite.test('a half-made instance can be deleted', async (run) => {
    const { id } = await run.killedLaunch(await run.start(), run.spec('0000000001'));
    await run.remove(await run.start(), id);
    expect(await run.ids()).toEqual([]);
  });
}
