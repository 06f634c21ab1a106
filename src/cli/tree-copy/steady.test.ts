/** A change of the tree while it is read does not go unnoticed. */
import { expect, it, onTestFinished } from 'vitest';
import { StoreBed } from '../../store/testing/store-bed.ts';
import { watched } from './steady.ts';

it('tells what somebody else creates, changes and removes meanwhile, and nothing else', async () => {
  const bed = await StoreBed.open();
  onTestFinished(() => bed.close());
  const reader = bed.connect();
  const quiet = await watched(reader, '/', async (changes) => {
    await reader.get('/nodepool/nodes');
    return changes;
  });
  expect(quiet).toEqual({ count: 0, first: null });
  await bed.zk.ensurePath('/nodepool/nodes/1');
  const busy = await watched(reader, '/nodepool', async (changes) => {
    await bed.zk.set('/nodepool/nodes/1', Buffer.from('x'));
    await bed.zk.delete('/nodepool/nodes/1');
    await bed.zk.create('/elsewhere', Buffer.alloc(0));
    return changes;
  });
  expect(busy).toEqual({ count: 2, first: '/nodepool/nodes/1' });
});
