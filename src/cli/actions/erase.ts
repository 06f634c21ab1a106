/** erase: removes everything that the tree says about a provider. Its cloud is not asked. */
import { createInterface } from 'node:readline';
import { isBroken } from '../../records/broken.ts';
import { encodeNode, parseNode, updateNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Images } from '../../store/transactions/images.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf, deleteTree, readIfThere } from '../../store/transactions/tree.ts';
import { NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { nameInTree } from './name-in-tree.ts';
import { UserError } from '../../base/user-error.ts';

export async function erase(globals: GlobalOptions, name: string, force: boolean): Promise<void> {
  const provider = nameInTree(name);
  await withZooKeeper(globals, async (client) => {
    if (!force) {
      console.log('\nWARNING! This action is not reversible!');
      const answer = await ask(`Erase ZooKeeper data for provider ${provider}? [N/y] `);
      if (answer.toLowerCase() !== 'y') return console.log('Aborting. No data erased.');
    }
    console.log(`Erasing build data for ${provider}...`);
    await new Images(client, systemRuntime).eraseProvider(provider);
    console.log(`Erasing node data for ${provider}...`);
    for (const id of await childrenOf(client, paths.nodes)) await eraseNode(client, id, provider);
  });
}

async function eraseNode(client: ZooKeeper, id: string, provider: string): Promise<void> {
  const found = await readIfThere(client, paths.node(id));
  const node = found && parseNode(id, found.data);
  if (!node || isBroken(node) || node.provider !== provider) return;
  // The state `deleted` tells whoever gets the lock meanwhile that there is nothing left to do with the node.
  const deleted = encodeNode(updateNode(node, { state: 'deleted' }, systemRuntime.nowMs()));
  try {
    await client.set(paths.node(id), deleted);
  } catch (error) {
    if (error instanceof NoNodeError) return;
    throw error;
  }
  await deleteTree(client, paths.node(id));
}

async function ask(question: string): Promise<string> {
  process.stdout.write(question);
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line;
  } finally {
    lines.close();
  }
  throw new UserError('there was no answer; use --force where nobody can give one');
}
