/** delete, hold: changes the state of one node, under its lock, as an operator wishes. */
import { encodeNode, type NodeState, updateNode } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { lock } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { nodeColumns } from '../../listings/columns.ts';
import { type OutputFormat, rendered } from '../../listings/format.ts';
import { UserError } from '../../base/user-error.ts';
import { readNode } from './tree-reads.ts';

const patienceMs = 5000;

export async function changeNode(
  globals: GlobalOptions,
  id: string,
  state: Extract<NodeState, 'hold' | 'deleting'>,
  format: OutputFormat,
): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    if (!/^[\w.-]+$/.test(id) || !(await readNode(client, id))) {
      console.log(`Node id ${id} not found`);
      return;
    }
    const held = await lock(
      { client, runtime: systemRuntime, path: paths.nodeLock(id), createParents: false },
      { timeoutMs: patienceMs },
    );
    if (held.result === 'gone') {
      console.log(`Node id ${id} not found`);
      return;
    }
    if (held.result === 'locked')
      throw new UserError(`node ${id} is locked by somebody else (waited ${patienceMs / 1000} s)`);
    try {
      const { node } = (await readNode(client, id)) ?? {};
      if (node) await client.set(paths.node(id), encodeNode(updateNode(node, { state }, systemRuntime.nowMs())));
    } finally {
      await held.lock.release();
    }
    const changed = await readNode(client, id);
    console.log(rendered(nodeColumns(false, systemRuntime.nowMs()), changed ? [changed] : [], format));
  });
}
