/** The status pages that are answered from the mirrors: nodes, requests, labels and launchers. */
import { isBroken } from '../../records/broken.ts';
import type { Runtime } from '../../base/runtime.ts';
import type { Store } from '../../store/mirrors/store.ts';
import { type ListedNode, labelColumns, nodeColumns, poolColumns, requestColumns } from '../../listings/columns.ts';
import { type Page, page } from './page.ts';

export function treePages(store: Store, runtime: Runtime): Page[] {
  return [
    page('/node-list', ({ nodeId }) => ({
      columns: nodeColumns(true, runtime.nowMs()),
      rows: [...listedNodes(store, nodeId)].sort((a, b) => byText(a.node.id, b.node.id)),
    })),
    page('/request-list', () => ({
      columns: requestColumns,
      rows: [...store.requests.all()]
        .flatMap(({ request }) => (isBroken(request) ? [] : [request]))
        .sort((a, b) => byText(a.id, b.id)),
    })),
    page('/label-list', () => ({
      columns: labelColumns,
      rows: [...new Set([...store.components.pools()].flatMap((pool) => pool.supportedLabels))].sort(byText),
    })),
    page('/launcher-list', () => ({ columns: poolColumns, rows: [...store.components.pools()] })),
  ];
}

function* listedNodes({ nodes }: Store, id: string | null): Iterable<ListedNode> {
  for (const entry of id === null ? nodes.all() : [nodes.get(id)]) {
    if (entry?.node && !isBroken(entry.node)) yield { node: entry.node, locked: entry.locked };
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
