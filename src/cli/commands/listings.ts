/** list, request-list, launcher-list, info: what is in the tree, read directly. */
import { type BrokenRecord, isBroken } from '../../records/broken.ts';
import { parseComponent } from '../../records/component.ts';
import { type NodeRecord, parseNode } from '../../records/node.ts';
import { parseRequest, type RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { type BuildId, Images } from '../../store/transactions/images.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf, readIfThere } from '../../store/transactions/tree.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type ListedNode, nodeColumns, poolColumns, requestColumns } from '../../listings/columns.ts';
import { type Column, objectOf } from '../../listings/table.ts';
import { nameInTree } from './names.ts';
import { type OutputFormat, rendered, structured } from '../../listings/format.ts';

/** A document that can't be read is named and left out. */
function warnOf(what: string, record: BrokenRecord): null {
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

async function readAll<I, T>(ids: readonly I[], read: (id: I) => Promise<T | null>): Promise<T[]> {
  return (await Promise.all(ids.map(read))).filter((item): item is Awaited<T> & T => item !== null);
}

export async function list(o: GlobalOptions, detail: boolean, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const nodes = await readAll(await childrenOf(client, paths.nodes), (id) => readNode(client, id));
    console.log(rendered(nodeColumns(detail, systemRuntime.nowMs()), nodes, format));
  });
}

export async function requestList(o: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const requests = await readAll<string, RequestRecord>(await childrenOf(client, paths.requests), async (id) => {
      const found = await readIfThere(client, paths.request(id));
      const request = found && parseRequest(id, found.data);
      return request && isBroken(request) ? warnOf('request', request) : request;
    });
    console.log(rendered(requestColumns, requests, format));
  });
}

export async function launcherList(o: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const parent = paths.component('pool');
    const pools = await readAll(await childrenOf(client, parent), async (name) => {
      const found = await readIfThere(client, `${parent}/${name}`);
      return found && parseComponent('pool', found.data);
    });
    console.log(rendered(poolColumns, pools, format));
  });
}

interface ImageRow extends BuildId {
  readonly uploads: readonly string[];
}

const imageColumns: readonly Column<ImageRow>[] = [
  { key: 'image', header: 'Image Name', cell: (row) => row.image },
  { key: 'build_id', header: 'Build ID', cell: (row) => row.build },
  { key: 'upload_ids', header: 'Upload IDs', cell: (row) => row.uploads },
];

const serverColumns: readonly Column<NodeRecord>[] = [
  { key: 'id', header: 'ID', cell: (node) => node.id },
  // As the Python command, which writes None there.
  {
    key: 'server_id',
    header: 'Server ID',
    cell: (node) => node.externalId,
    shown: (node) => node.externalId ?? 'None',
  },
];

export async function info(o: GlobalOptions, name: string, format: OutputFormat): Promise<void> {
  const provider = nameInTree(name);
  await withZooKeeper(o, async (client) => {
    const store = new Images(client, systemRuntime);
    const images = await readAll<BuildId, ImageRow>(await store.buildIds(), async (id) => {
      if (!(await store.providersOf(id)).includes(provider)) return null;
      return { ...id, uploads: (await store.uploadIds(id, provider)).map(({ upload }) => upload) };
    });
    const all = await readAll(await childrenOf(client, paths.nodes), (id) => readNode(client, id));
    const nodes = all.map((listed) => listed.node).filter((node) => node.provider === provider);
    if (format !== 'table') {
      const values = {
        images: images.map((row) => objectOf(imageColumns, row)),
        nodes: nodes.map((node) => objectOf(serverColumns, node)),
      };
      return console.log(structured(values, format));
    }
    const tables = [rendered(imageColumns, images, format), rendered(serverColumns, nodes, format)];
    console.log(`ZooKeeper data for provider ${provider}\n\nImage data:\n${tables[0]}\n\nNodes:\n${tables[1]}`);
  });
}
