/** watch: a live table of requests and nodes. */
import { isBroken } from '../../records/broken.ts';
import type { RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../runtime.ts';
import { Store } from '../../store/store.ts';
import { type GlobalOptions, withZooKeeper } from '../context.ts';
import { untilSignal } from '../daemon.ts';
import { type ListedNode, nodeColumns, requestColumns } from '../output/columns.ts';
import { render } from '../output/table.ts';

const redrawMs = 200;

export async function watch(o: GlobalOptions): Promise<void> {
  await withZooKeeper(o, async (client, _config, log) => {
    const store = await Store.open({ client, runtime: systemRuntime, log });
    let scheduled = false;
    const draw = () => {
      scheduled = false;
      const clear = process.stdout.isTTY ? '\u001b[2J\u001b[H' : '';
      process.stdout.write(`${clear}${picture(store)}\n`);
    };
    const changed = () => {
      if (scheduled) return;
      scheduled = true;
      systemRuntime.setTimer(redrawMs, draw);
    };
    store.nodes.onChange(changed);
    store.requests.onChange(changed);
    draw();
    await untilSignal();
    await store.close();
  });
}

function picture(store: Store): string {
  const requests = [...store.requests.all()].map((e) => e.request).filter((r): r is RequestRecord => !isBroken(r));
  const nodes = [...store.nodes.all()].flatMap((e): ListedNode[] =>
    e.node && !isBroken(e.node) ? [{ node: e.node, locked: e.locked }] : [],
  );
  requests.sort((a, b) => (a.id < b.id ? -1 : 1));
  nodes.sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
  return `Requests\n${render(requestColumns, requests, 'table')}\nNodes\n${render(nodeColumns(false, systemRuntime.nowMs()), nodes, 'table')}`;
}
