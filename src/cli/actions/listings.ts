/** list, request-list, launcher-list: list nodes, requests and pools, read directly from ZooKeeper. */
import { isBroken } from '../../records/broken.ts';
import { parseComponent } from '../../records/component.ts';
import { parseRequest, type RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { childrenOf, readIfThere } from '../../store/transactions/tree.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { nodeColumns, poolColumns, requestColumns } from '../../listings/columns.ts';
import { type OutputFormat, rendered } from '../../listings/format.ts';
import { readAll, readNode, warnOf } from './tree-reads.ts';

export async function list(globals: GlobalOptions, detail: boolean, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const nodes = await readAll(await childrenOf(client, paths.nodes), (id) => readNode(client, id));
    console.log(rendered(nodeColumns(detail, systemRuntime.nowMs()), nodes, format));
  });
}

export async function requestList(globals: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const requests = await readAll<string, RequestRecord>(await childrenOf(client, paths.requests), async (id) => {
      const found = await readIfThere(client, paths.request(id));
      const request = found && parseRequest(id, found.data);
      return request && isBroken(request) ? warnOf('request', request) : request;
    });
    console.log(rendered(requestColumns, requests, format));
  });
}

export async function launcherList(globals: GlobalOptions, format: OutputFormat): Promise<void> {
  await withZooKeeper(globals, async (client) => {
    const parent = paths.component('pool');
    const pools = await readAll(await childrenOf(client, parent), async (name) => {
      const found = await readIfThere(client, `${parent}/${name}`);
      return found && parseComponent('pool', found.data);
    });
    console.log(rendered(poolColumns, pools, format));
  });
}
