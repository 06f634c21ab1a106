/** count-nodes: how many nodes are in a state. */
import { isBroken } from '../../../src/records/broken.ts';
import { parseNode } from '../../../src/records/node.ts';
import { paths } from '../../../src/store/paths.ts';
import { childrenOf, readIfThere } from '../../../src/store/transactions/tree.ts';
import { withZooKeeper } from '../../../src/program/connection.ts';
import type { GlobalOptions } from '../../../src/program/context.ts';

export async function countNodes(globals: GlobalOptions, state: string): Promise<number> {
  let count = 0;
  await withZooKeeper(globals, async (client) => {
    for (const id of await childrenOf(client, paths.nodes)) {
      const found = await readIfThere(client, paths.node(id));
      const node = found && parseNode(id, found.data);
      if (node && !isBroken(node) && node.state === state) count++;
    }
  });
  console.log(count);
  return count > 0 ? 0 : 1;
}
