import { expect, it, onTestFinished } from 'vitest';
import { encodeNode, newNode, parseNode } from '../../records/node.ts';
import { encodeRequest, newRequest, parseRequest } from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { createZooKeeper } from '@nodepool/zookeeper';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { temporaryDirectory } from '../testing/command-line.ts';
import { giveBack, take } from './taking.ts';

it('writes nothing to a node whose lock was lost', async () => {
  const dataDir = temporaryDirectory();
  const coordinator = await startCoordinator({ dataDir, runtime: systemRuntime });
  const client = () => createZooKeeper({ servers: [], connector: coordinator.connector });
  const [ours, other] = [client(), client()];
  onTestFinished(async () => {
    await other.close();
    await coordinator.close();
  });
  const id = '0000000000';
  const requestId = '200-0000000000';
  const now = systemRuntime.nowMs();
  for (const path of [paths.requests, paths.nodes]) await other.ensurePath(path);
  await other.create(paths.node(id), encodeNode(newNode({ state: 'ready', allocatedTo: requestId }, now)));
  const document = encodeRequest(newRequest({ state: 'fulfilled', nodes: [id] }, now));
  await other.create(paths.request(requestId), document);
  const answer = parseRequest(requestId, document);
  if (answer.broken) throw new Error(answer.message);

  const taken = await take(ours, answer, new AbortController().signal);
  expect(await other.exists(paths.request(requestId))).toBeNull();
  await ours.close();
  await expect(giveBack(ours, taken)).rejects.toThrow(`the lock of node ${id} was lost`);
  const { data } = await other.get(paths.node(id));
  expect(parseNode(id, data)).toMatchObject({ state: 'in-use' });
});
