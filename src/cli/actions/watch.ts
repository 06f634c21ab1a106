/** watch: shows a live table of requests and nodes. Where the output is no terminal it prints a line for each change. */
import { isBroken } from '../../records/broken.ts';
import { compareRequests, type RequestRecord } from '../../records/request.ts';
import { systemRuntime, type Timer } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { NodeEntry, RequestEntry } from '../../store/mirrors/views.ts';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type ListedNode, nodeColumns, requestColumns } from '../../listings/columns.ts';
import { render } from '../../listings/table.ts';
import { onStopSignal } from '../../program/process.ts';

/** Changes are drawn this often at most, and ages move this often at least. */
const shortestRedrawMs = 100;
const longestRedrawMs = 1000;

const enterScreen = '\u001b[?1049h\u001b[?25l';
const leaveScreen = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLineEnd = '\u001b[K';
const clearBelow = '\u001b[J';

export async function watch(globals: GlobalOptions): Promise<void> {
  await withZooKeeper(globals, async (client, _config, log) => {
    const stop = onStopSignal();
    const store = await Store.open({ client, runtime: systemRuntime, log });
    const end = process.stdout.isTTY ? showScreen(store) : printLines(store);
    await stop.received;
    end();
    stop.dispose();
    await store.close();
  });
}

function showScreen(store: Store): () => void {
  let timer: Timer | null = null;
  let soon = false;
  const draw = () => {
    timer?.cancel();
    soon = false;
    const rows = process.stdout.rows;
    const columns = process.stdout.columns;
    const lines = screenText(store, systemRuntime.nowMs()).split('\n');
    const shown =
      lines.length < rows ? lines : [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} lines more`];
    const text = shown.map((line) => `${line.slice(0, columns)}${clearLineEnd}\n`).join('');
    process.stdout.write(`${home}${text}${clearBelow}`);
    timer = systemRuntime.setTimer(longestRedrawMs, draw);
  };
  const changed = () => {
    if (soon) return;
    soon = true;
    timer?.cancel();
    timer = systemRuntime.setTimer(shortestRedrawMs, draw);
  };
  process.stdout.write(enterScreen);
  const offs = [store.nodes.onChange(changed), store.requests.onChange(changed)];
  process.stdout.on('resize', changed);
  draw();
  return () => {
    for (const off of offs) off();
    process.stdout.off('resize', changed);
    timer?.cancel();
    process.stdout.write(leaveScreen);
  };
}

function printLines(store: Store): () => void {
  const print = (text: string) => console.log(`${new Date(systemRuntime.nowMs()).toISOString()} ${text}`);
  for (const entry of store.requests.all()) print(requestLine(entry.id, entry));
  for (const entry of store.nodes.all()) print(nodeLine(entry.id, entry));
  const lastOf = new Map<string, string>();
  // A write that changes nothing of the line is not printed.
  const news = (key: string, text: string, gone: boolean) => {
    if (lastOf.get(key) === text) return;
    if (gone) lastOf.delete(key);
    else lastOf.set(key, text);
    print(text);
  };
  const offs = [
    store.requests.onChange((id, _before, after) => news(`r${id}`, requestLine(id, after), !after)),
    store.nodes.onChange((id, _before, after) => news(`n${id}`, nodeLine(id, after), !after)),
  ];
  return () => {
    for (const off of offs) off();
  };
}

function requestLine(id: string, entry: RequestEntry | undefined): string {
  if (!entry) return `request ${id} gone`;
  const { request } = entry;
  if (isBroken(request)) return `request ${id} unreadable`;
  const nodes = request.nodes.length > 0 ? ` nodes=${request.nodes.join(',')}` : '';
  return `request ${id} ${request.state} labels=${request.nodeTypes.join(',')}${nodes}`;
}

function nodeLine(id: string, entry: NodeEntry | undefined): string {
  if (!entry) return `node ${id} gone`;
  const { node, locked } = entry;
  if (node === null || isBroken(node)) return `node ${id} unreadable`;
  const words = [
    `node ${id} ${node.state} ${locked ? 'locked' : 'unlocked'}`,
    `labels=${node.labels.join(',')}`,
    `provider=${node.provider ?? ''}`,
    ...(node.interfaceIp === null ? [] : [`ip=${node.interfaceIp}`]),
    ...(node.allocatedTo === null ? [] : [`for=${node.allocatedTo}`]),
  ];
  return words.join(' ');
}

function screenText(store: Store, nowMs: number): string {
  const requests = [...store.requests.all()].map((e) => e.request).filter((r): r is RequestRecord => !isBroken(r));
  const nodes = [...store.nodes.all()].flatMap((e): ListedNode[] =>
    e.node && !isBroken(e.node) ? [{ node: e.node, locked: e.locked }] : [],
  );
  requests.sort(compareRequests);
  nodes.sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
  const requestTable = render(requestColumns, requests, 'table');
  const nodeTable = render(nodeColumns(false, nowMs), nodes, 'table');
  return `Requests: ${requests.length}\n${requestTable}\n\nNodes: ${nodes.length}\n${nodeTable}`;
}
