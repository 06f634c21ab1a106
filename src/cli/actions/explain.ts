/** explain: says why a request waits or a node is as it is, by the rules by which the launcher decides. */
import { isBroken } from '../../records/broken.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { explainNode, explainProviders, explainRequest } from '../../scheduling/explain.ts';
import { readHealth } from '../../store/transactions/health.ts';
import { Store } from '../../store/mirrors/store.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type OutputFormat, structured } from '../../listings/format.ts';
import { UserError } from '../../base/user-error.ts';

export async function explain(globals: GlobalOptions, id: string, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client, config, log) => {
    const store = await Store.open({ client, runtime: systemRuntime, log });
    try {
      const pools = [...store.components.pools()];
      const request = store.requests.get(id)?.request;
      const entry = store.nodes.get(id);
      const node = entry?.node;
      const nodes = [...store.nodes.all()].flatMap((e) =>
        e.node && !isBroken(e.node) ? [{ node: e.node, locked: e.locked }] : [],
      );
      const health = (await readHealth(store)).flatMap(({ record }) => (record ? [record] : []));
      let lines: string[];
      if (request) {
        lines = isBroken(request)
          ? [`the document of request ${id} cannot be read (${request.message}); launchers skip it`]
          : [
              ...explainRequest(request, { pools, nodes, config, locked: store.requestLocks.isLocked(id) }),
              ...(request.state === 'fulfilled' ? [] : explainProviders({ labels: request.nodeTypes }, config, health)),
            ];
      } else if (entry && node) {
        lines = isBroken(node)
          ? [`the document of node ${id} cannot be read (${node.message}); launchers skip it`]
          : [
              ...explainNode(node, {
                locked: entry.locked,
                requestExists: node.allocatedTo !== null && store.requests.get(node.allocatedTo) !== undefined,
                config,
              }),
              ...explainProviders({ provider: node.provider }, config, health),
            ];
      } else throw new UserError(`there is no request and no node ${id}`);
      console.log(format === 'table' ? lines.join('\n') : structured({ id, reasons: lines }, format));
    } finally {
      await store.close();
    }
  });
}
