import { expect, test } from 'vitest';
import { VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import type { Store } from '../store/mirrors/store.ts';
import { StoreTroubles } from './store-troubles.ts';

test('a picture that is not up to date is said after a while, with the state of the session, until it is', async () => {
  const runtime = new VirtualRuntime();
  const client = { state: 'connected', outstanding: 0 };
  let tell: (synced: boolean) => void = () => undefined;
  const onSync = (listener: typeof tell) => {
    tell = listener;
    return () => undefined;
  };
  const troubles = new StoreTroubles({ synced: true, client, onSync } as unknown as Store, runtime);
  const seen = () => [...troubles.troubles()].map(({ key, why, sinceMs }) => [key, why, sinceMs]);
  await runtime.advance(1000);
  client.state = 'suspended';
  tell(false);
  await runtime.advance(5000);
  expect(seen()).toEqual([]);
  await runtime.advance(1000);
  expect(seen()).toEqual([['zookeeper: mirror', 'the ZooKeeper session is suspended', 1000]]);
  client.state = 'connected';
  tell(false);
  expect(seen()).toEqual([['zookeeper: mirror', 'reading the tree takes long or fails', 1000]]);
  tell(true);
  client.outstanding = 9000;
  expect(seen()).toEqual([['zookeeper: calls', 'it answers more slowly than it is asked', null]]);
});
