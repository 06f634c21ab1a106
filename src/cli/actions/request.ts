/** request: takes nodes as Zuul would, holds them while it runs, gives them back. */
import { fstatSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isBroken } from '../../records/broken.ts';
import type { NodeRecord } from '../../records/node.ts';
import { encodeRequest, newRequest, parseRequest, type RequestRecord } from '../../records/request.ts';
import { systemRuntime, type Timer } from '../../base/runtime.ts';
import { lastName, paths } from '../../store/paths.ts';
import { NoNodeError, type ZooKeeper } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import type { GlobalOptions } from '../../program/context.ts';
import { type OutputFormat, structured } from '../../listings/format.ts';
import { onStopSignal, signalStatus, type StopRequest } from '../../program/process.ts';
import { UserError } from '../../base/user-error.ts';
import { connectionOf, runWith } from './node-environment.ts';
import { deleteRequest, giveBack, take } from './taking.ts';

export interface RequestOptions {
  readonly label: readonly string[];
  readonly wait?: boolean;
  readonly exec?: string;
  readonly priority: string;
  readonly provider?: string;
  readonly reuse: boolean;
  /** In seconds. */
  readonly timeout?: number;
  readonly format: OutputFormat;
}

/** A read that failed while the connection is up is repeated after this. */
const retryMs = 1000;

export async function request(globals: GlobalOptions, options: RequestOptions): Promise<number> {
  return withZooKeeper(globals, async (client) => {
    if (options.wait !== true && options.exec === undefined) {
      // Somebody else takes the nodes, so the request must outlive this process.
      console.log(await submit(client, options, 'persistent-sequential'));
      return 0;
    }
    const stop = onStopSignal();
    try {
      return await takeAndUse(client, options, stop);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
      throw new UserError('interrupted', signalStatus(await stop.received), error);
    } finally {
      stop.dispose();
    }
  });
}

async function takeAndUse(client: ZooKeeper, options: RequestOptions, stop: StopRequest): Promise<number> {
  const id = await submit(client, options, 'ephemeral-sequential');
  console.error(`request ${id}: waiting for ${options.label.join(', ')}`);
  try {
    const answer = await answered(client, id, options.timeout, stop.signal);
    if (answer.state === 'failed') {
      throw new UserError(
        `request ${id} failed: none of ${answer.declinedBy.length} pools could serve ${options.label.join(', ')}; the launchers' logs say why`,
      );
    }
    const taken = await take(client, answer, stop.signal);
    let status: number;
    try {
      status = await use(
        client,
        taken.map((t) => t.node),
        options,
        stop,
      );
    } finally {
      await giveBack(client, taken);
    }
    return status;
  } finally {
    await deleteRequest(client, id).catch(() => undefined);
  }
}

async function submit(
  client: ZooKeeper,
  options: RequestOptions,
  mode: 'persistent-sequential' | 'ephemeral-sequential',
): Promise<string> {
  const document = newRequest(
    {
      nodeTypes: options.label,
      requestor: `nodepool-cli:${userInfo().username}`,
      provider: options.provider ?? null,
      reuse: options.reuse,
      eventId: systemRuntime.randomHex(32),
    },
    systemRuntime.nowMs(),
  );
  await client.ensurePath(paths.requests);
  return lastName(
    (await client.create(`${paths.requests}/${options.priority}-`, encodeRequest(document), { mode })).path,
  );
}

/** Resolves with the request once it is fulfilled or failed. */
function answered(
  client: ZooKeeper,
  id: string,
  timeoutSeconds: number | undefined,
  signal: AbortSignal,
): Promise<RequestRecord> {
  return new Promise((resolve, reject) => {
    let ended = false;
    let retry: Timer | null = null;
    const end = (settle: () => void) => {
      if (ended) return;
      ended = true;
      timer?.cancel();
      retry?.cancel();
      off();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (message: string) => end(() => reject(new UserError(message)));
    const onAbort = () => end(() => reject(signal.reason as Error));
    const timer =
      timeoutSeconds === undefined
        ? null
        : systemRuntime.setTimer(timeoutSeconds * 1000, () =>
            fail(
              `request ${id} was not answered within ${timeoutSeconds} s; \`nodepool explain ID\` says why while a request waits`,
            ),
          );
    const look = () => {
      if (ended) return;
      client.get(paths.request(id), { watch: look }).then(
        ({ data }) => {
          const record = parseRequest(id, data);
          if (isBroken(record)) fail(`the document of request ${id} can't be read: ${record.message}`);
          else if (record.state === 'fulfilled' || record.state === 'failed') end(() => resolve(record));
        },
        (error: unknown) => {
          if (error instanceof NoNodeError) fail(`request ${id} has vanished`);
          else if (!ended) retry = systemRuntime.setTimer(retryMs, look);
        },
      );
    };
    const off = client.onState((state) => {
      if (state === 'expired') fail('the ZooKeeper session was lost, and the request with it');
    });
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else look();
  });
}

async function use(
  client: ZooKeeper,
  nodes: readonly NodeRecord[],
  options: RequestOptions,
  stop: StopRequest,
): Promise<number> {
  if (options.exec !== undefined) return runWith(nodes, options.exec, stop);
  if (options.format !== 'table') console.log(structured(nodes.map(connectionOf), options.format));
  else for (const node of nodes) console.log(lineOf(node));
  console.error(`${nodes.length === 1 ? 'the node is' : 'the nodes are'} yours until this command ends (Ctrl-C)`);
  await Promise.race([stop.received, endOfInput(), sessionLost(client)]);
  return 0;
}

function lineOf(node: NodeRecord): string {
  const user = node.username === null ? '' : `${node.username}@`;
  const port = typeof node.connectionPort === 'number' ? ` port ${node.connectionPort}` : '';
  const where = [node.provider, node.region, node.az].filter((part) => part !== null).join(' ');
  return `${node.id}: ${node.connectionType ?? 'ssh'} ${user}${node.interfaceIp ?? '?'}${port} (${node.labels.join(',')}; ${where})`;
}

/** Resolves at the end of the input: Ctrl-D, or a closed pipe. Files and /dev/null are not waited for. */
function endOfInput(): Promise<void> {
  return new Promise((resolve) => {
    const stats = fstatSync(0);
    if (!process.stdin.isTTY && !stats.isFIFO() && !stats.isSocket()) return;
    process.stdin.on('end', () => resolve()).resume();
  });
}

function sessionLost(client: ZooKeeper): Promise<never> {
  return new Promise((_, reject) => {
    client.onState((state) => {
      if (state === 'expired') reject(new UserError('the ZooKeeper session was lost, and with it the nodes'));
    });
  });
}
