/** list, request-list, launcher-list, info: what is in the tree, read directly. */
import { type BrokenRecord, isBroken } from '../../records/broken.ts';
import { parseComponent } from '../../records/component.ts';
import { type NodeRecord, parseNode } from '../../records/node.ts';
import { parseRequest, type RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../runtime.ts';
import { paths } from '../../store/paths.ts';
import { NoNodeError } from '../../zookeeper/client/errors.ts';
import type { ZooKeeper } from '../../zookeeper/client/types.ts';
import { withZooKeeper } from '../connection.ts';
import type { GlobalOptions } from '../context.ts';
import { type ListedNode, nodeColumns, poolColumns, requestColumns } from '../../api/listings/columns.ts';
import { type Format, render } from '../../api/listings/table.ts';

export async function childrenOf(client: ZooKeeper, path: string): Promise<readonly string[]> {
  try {
    return [...(await client.children(path)).children].sort();
  } catch (error) {
    if (error instanceof NoNodeError) return [];
    throw error;
  }
}

/** A document that can't be read is named and left out. */
function warnOf(what: string, record: BrokenRecord): null {
  console.error(`nodepool: the document of ${what} ${record.id} can't be read: ${record.message}`);
  return null;
}

/** null for a node that has gone or can't be read. */
export async function readNode(client: ZooKeeper, id: string): Promise<ListedNode | null> {
  try {
    const [{ data }, contenders] = await Promise.all([
      client.get(paths.node(id)),
      childrenOf(client, paths.nodeLock(id)),
    ]);
    const node = parseNode(id, data);
    return isBroken(node) ? warnOf('node', node) : { node, locked: contenders.length > 0 };
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}

async function dataOf(client: ZooKeeper, path: string): Promise<Buffer | null> {
  try {
    return (await client.get(path)).data;
  } catch (error) {
    if (error instanceof NoNodeError) return null;
    throw error;
  }
}

async function readAll<T>(ids: readonly string[], read: (id: string) => Promise<T | null>): Promise<T[]> {
  return (await Promise.all(ids.map(read))).filter((item): item is Awaited<T> & T => item !== null);
}

export async function list(o: GlobalOptions, detail: boolean, format: Format): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const nodes = await readAll(await childrenOf(client, paths.nodes), (id) => readNode(client, id));
    console.log(render(nodeColumns(detail, systemRuntime.nowMs()), nodes, format));
  });
}

export async function requestList(o: GlobalOptions, format: Format): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const requests = await readAll<RequestRecord>(await childrenOf(client, paths.requests), async (id) => {
      const data = await dataOf(client, paths.request(id));
      const request = data ? parseRequest(id, data) : null;
      return request && isBroken(request) ? warnOf('request', request) : request;
    });
    console.log(render(requestColumns, requests, format));
  });
}

export async function launcherList(o: GlobalOptions, format: Format): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const parent = paths.component('pool');
    const pools = await readAll(await childrenOf(client, parent), async (name) => {
      const data = await dataOf(client, `${parent}/${name}`);
      return data ? parseComponent('pool', data) : null;
    });
    console.log(render(poolColumns, pools, format));
  });
}

interface ImageRow {
  readonly image: string;
  readonly build: string;
  readonly uploads: readonly string[];
}

export async function info(o: GlobalOptions, provider: string, format: Format): Promise<void> {
  await withZooKeeper(o, async (client) => {
    const images: ImageRow[] = [];
    for (const image of await childrenOf(client, paths.images)) {
      for (const build of await childrenOf(client, `${paths.images}/${image}/builds`)) {
        const uploads = await childrenOf(
          client,
          `${paths.images}/${image}/builds/${build}/providers/${provider}/images`,
        );
        const ids = uploads.filter((id) => id !== 'lock');
        if (ids.length > 0) images.push({ image, build, uploads: ids });
      }
    }
    const all = await readAll(await childrenOf(client, paths.nodes), (id) => readNode(client, id));
    const nodes = all.map((listed) => listed.node).filter((node) => node.provider === provider);
    const imageTable = render(
      [
        { key: 'image', header: 'Image Name', cell: (row: ImageRow) => row.image },
        { key: 'build_id', header: 'Build ID', cell: (row: ImageRow) => row.build },
        { key: 'upload_ids', header: 'Upload IDs', cell: (row: ImageRow) => row.uploads },
      ],
      images,
      format,
    );
    const nodeTable = render(
      [
        { key: 'id', header: 'ID', cell: (node: NodeRecord) => node.id },
        {
          key: 'server_id',
          header: 'Server ID',
          cell: (node: NodeRecord) =>
            node.externalId === null ? null : JSON.stringify(node.externalId).replace(/^"(.*)"$/, '$1'),
        },
      ],
      nodes,
      format,
    );
    if (format === 'json') console.log(`{"images": ${imageTable}, "nodes": ${nodeTable}}`);
    else console.log(`ZooKeeper data for provider ${provider}\n\nImage data:\n${imageTable}\n\nNodes:\n${nodeTable}`);
  });
}
