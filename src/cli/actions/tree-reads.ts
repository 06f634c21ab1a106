/** Reads of single documents for commands that list or change them. Documents that can't be read are named and left out. */
import { type BrokenRecord, isBroken } from '../../records/broken.ts';
import { parseNode } from '../../records/node.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf, readIfThere } from '../../store/transactions/tree.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import type { ListedNode } from '../../listings/columns.ts';

/** A document that can't be read is named and left out. */
export function warnOf(what: string, record: BrokenRecord): null {
  console.error(`nodepool: the document of ${what} ${record.id} can't be read: ${record.message}`);
  return null;
}

/** null for a node that has gone or can't be read. */
export async function readNode(client: ZooKeeper, id: string): Promise<ListedNode | null> {
  const [found, contenders] = await Promise.all([
    readIfThere(client, paths.node(id)),
    childrenOf(client, paths.nodeLock(id)),
  ]);
  if (!found) return null;
  const node = parseNode(id, found.data);
  return isBroken(node) ? warnOf('node', node) : { node, locked: contenders.length > 0 };
}

export async function readAll<I, T>(ids: readonly I[], read: (id: I) => Promise<T | null>): Promise<T[]> {
  return (await Promise.all(ids.map(read))).filter((item): item is Awaited<T> & T => item !== null);
}
