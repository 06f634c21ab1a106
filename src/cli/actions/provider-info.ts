/** info: the image data and the nodes that ZooKeeper holds of a provider. */
import type { NodeRecord } from '../../records/node.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { type BuildId, Images } from '../../store/transactions/images.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf } from '../../store/transactions/tree.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type Column, objectOf } from '../../listings/table.ts';
import { type OutputFormat, rendered, structured } from '../../listings/format.ts';
import { nameInTree } from './name-in-tree.ts';
import { readAll, readNode } from './tree-reads.ts';

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
  // The Python command writes None for a node without an instance.
  {
    key: 'server_id',
    header: 'Server ID',
    cell: (node) => node.externalId,
    shown: (node) => node.externalId ?? 'None',
  },
];

export async function providerInfo(globals: GlobalOptions, name: string, format: OutputFormat): Promise<void> {
  const provider = nameInTree(name);
  await withZooKeeper(globals, async (client) => {
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
