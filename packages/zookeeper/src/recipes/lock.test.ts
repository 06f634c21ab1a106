import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemRuntime } from '../runtime/runtime.ts';
import { createZooKeeper } from '../client/client.ts';
import { ConnectionLossError } from '../contract/errors.ts';
import type { ZooKeeper } from '../contract/types.ts';
import { type Coordinator, startCoordinator } from '../server/coordinator.ts';
import { forceUnlock, lock, sortContenders, tryLock } from './lock.ts';

const path = '/node/lock';
let directory: string;
let coordinator: Coordinator;
let one: ZooKeeper;
let two: ZooKeeper;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lock-'));
  coordinator = await startCoordinator({
    dataDir: directory,
    port: null,
    runtime: systemRuntime,
  });
  const connect = () => createZooKeeper({ servers: [], connector: coordinator.connector });
  [one, two] = [connect(), connect()];
  await one.create('/node', new Uint8Array());
});
afterEach(async () => {
  await Promise.all([one.close(), two.close()]);
  await coordinator.close();
  rmSync(directory, { recursive: true, force: true });
});

const options = (client: ZooKeeper) => ({ client, runtime: systemRuntime, path, createParents: false });
const contenders = async () => sortContenders((await one.children(path)).children);

test('unlocking by force takes the lock from its holder alone: who waits for it gets it', async () => {
  const held = await lock({ ...options(one), persistent: true, identifier: 'owner' });
  if (held.result !== 'acquired') throw new Error(held.result);
  const waiting = lock(options(two));
  await expect.poll(async () => (await contenders()).length).toBe(2);
  const [, second] = await contenders();
  await forceUnlock(one, path);
  expect(await waiting).toMatchObject({ result: 'acquired', lock: { contender: second } });
  expect(await contenders()).toEqual([second]);
  expect((await tryLock(options(one))).result).toBe('locked');
});

test('unlocking by force what nobody has locked, or what is not there, does nothing', async () => {
  await forceUnlock(one, path);
  await forceUnlock(one, '/none/lock');
  await one.create(path, new Uint8Array());
  await one.create(`${path}/not-a-contender`, new Uint8Array());
  await forceUnlock(one, path);
  expect((await one.children(path)).children).toEqual(['not-a-contender']);
});

test('a contender whose answer was lost is found by way of a server that lags behind', async () => {
  await one.create(path, new Uint8Array());
  let isBehind = false;
  let made = 0;
  const lagging = Object.assign(Object.create(one) as ZooKeeper, {
    create: async (...args: Parameters<ZooKeeper['create']>) => {
      const result = await one.create(...args);
      if (made++ > 0) return result;
      isBehind = true;
      throw new ConnectionLossError(path, new Error('cut'));
    },
    children: async (at: string) => (isBehind ? { ...(await one.children(at)), children: [] } : one.children(at)),
    sync: (at: string) => {
      isBehind = false;
      return one.sync(at);
    },
  });
  expect(await tryLock(options(lagging))).toMatchObject({ result: 'acquired' });
  expect(await contenders()).toHaveLength(1);
});
