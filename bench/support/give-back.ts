/** What a consumer does with the nodes of a fulfilled request when it has no use for them. */
import type { Operations } from '../../src/store/transactions/operations.ts';

export async function giveBack(operations: Operations, id: string, nodes: readonly string[]): Promise<void> {
  for (const nodeId of nodes) {
    const held = await operations.lockNode(nodeId, { expect: (node) => node.allocatedTo === id });
    if (!held.ok) throw new Error(held.reason);
    await held.node.write({ state: 'used' });
    await held.node.release();
  }
  await operations.deleteRequest(id);
}
