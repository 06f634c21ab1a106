/** request: takes nodes as Zuul would, holds them while it runs, gives them back. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isBroken } from '../../records/broken.ts';
import { encodeNode, type NodeRecord, parseNode, updateNode } from '../../records/node.ts';
import { encodeRequest, newRequest, parseRequest, type RequestRecord } from '../../records/request.ts';
import { systemRuntime } from '../../runtime.ts';
import { lastName, paths } from '../../store/paths.ts';
import { NoNodeError } from '../../zookeeper/client/errors.ts';
import type { ZooKeeper } from '../../zookeeper/client/types.ts';
import { type HeldLock, lock } from '../../zookeeper/recipes/lock.ts';
import { type GlobalOptions, UserError, withZooKeeper } from '../context.ts';
import { untilSignal } from '../daemon.ts';

export interface RequestOptions {
  readonly label: readonly string[];
  readonly wait?: boolean;
  readonly exec?: string;
  readonly priority: string;
  readonly provider?: string;
  readonly reuse: boolean;
  readonly timeout?: string;
  readonly format: 'table' | 'json';
}

interface Taken {
  readonly node: NodeRecord;
  readonly lock: HeldLock;
}

export async function request(o: GlobalOptions, r: RequestOptions): Promise<number> {
  if (!/^\d{3}$/.test(r.priority))
    throw new UserError('--priority takes three digits: 100 (high), 200 (normal) or 300 (low)', 2);
  const timeoutMs = r.timeout === undefined ? undefined : Number(r.timeout) * 1000;
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw new UserError('--timeout takes a number of seconds', 2);
  return withZooKeeper(o, async (client) => {
    const waits = r.wait === true || r.exec !== undefined;
    const id = await submit(client, r, waits);
    if (!waits) {
      console.log(id);
      return 0;
    }
    console.error(`request ${id}: waiting for ${r.label.join(', ')}`);
    const answer = await answered(client, id, timeoutMs).catch(async (error: unknown) => {
      await client.delete(paths.request(id)).catch(() => undefined);
      throw error;
    });
    if (answer.state === 'failed') {
      await client.delete(paths.request(id)).catch(() => undefined);
      throw new UserError(
        `request ${id} failed: no provider can serve ${r.label.join(', ')} (declined by ${answer.declinedBy.length} pools)`,
      );
    }
    const taken = await take(client, answer);
    try {
      return await use(taken, r);
    } finally {
      for (const { node, lock } of taken) await giveBack(client, node, lock);
    }
  });
}

async function submit(client: ZooKeeper, r: RequestOptions, ephemeral: boolean): Promise<string> {
  const document = newRequest(
    {
      nodeTypes: r.label,
      requestor: `nodepool-cli:${userInfo().username}`,
      provider: r.provider ?? null,
      reuse: r.reuse,
      eventId: systemRuntime.randomHex(32),
    },
    systemRuntime.nowMs(),
  );
  await client.ensurePath(paths.requests);
  const mode = ephemeral ? 'ephemeral-sequential' : 'persistent-sequential';
  return lastName((await client.create(`${paths.requests}/${r.priority}-`, encodeRequest(document), { mode })).path);
}

/** The request once it is fulfilled or failed. */
function answered(client: ZooKeeper, id: string, timeoutMs: number | undefined): Promise<RequestRecord> {
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === undefined
        ? null
        : systemRuntime.setTimer(timeoutMs, () =>
            end(() =>
              reject(
                new UserError(
                  `request ${id} was not answered within ${timeoutMs / 1000} s; \`nodepool explain ${id}\` says why while it waits`,
                ),
              ),
            ),
          );
    const interrupted = () => end(() => reject(new UserError('interrupted', 130)));
    process.once('SIGINT', interrupted);
    process.once('SIGTERM', interrupted);
    const off = client.onState((state) => {
      if (state === 'expired')
        end(() => reject(new UserError('the ZooKeeper session was lost, and the request with it')));
      if (state === 'connected') look();
    });
    const end = (settle: () => void) => {
      timer?.cancel();
      off();
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      settle();
    };
    const look = () => {
      client.get(paths.request(id), { watch: look }).then(
        ({ data }) => {
          const request = parseRequest(id, data);
          if (!isBroken(request) && (request.state === 'fulfilled' || request.state === 'failed'))
            end(() => resolve(request));
        },
        (error: unknown) => {
          if (error instanceof NoNodeError) end(() => reject(new UserError(`request ${id} has vanished`)));
        },
      );
    };
    look();
  });
}

async function take(client: ZooKeeper, answer: RequestRecord): Promise<Taken[]> {
  const taken: Taken[] = [];
  for (const id of answer.nodes) {
    const held = await lock(
      { client, runtime: systemRuntime, path: paths.nodeLock(id), createParents: false },
      { timeoutMs: 30_000 },
    );
    if (held.result !== 'acquired') throw new UserError(`node ${id} could not be locked: ${held.result}`);
    const { data, stat } = await client.get(paths.node(id));
    const node = parseNode(id, data);
    if (isBroken(node) || node.allocatedTo !== answer.id || node.state !== 'ready') {
      await held.lock.release();
      throw new UserError(
        `node ${id} is not ours: it is ${isBroken(node) ? node.message : `${node.state}, allocated to ${node.allocatedTo ?? 'nobody'}`}`,
      );
    }
    const used = updateNode(node, { state: 'in-use' }, systemRuntime.nowMs());
    await client.set(paths.node(id), encodeNode(used), stat.version);
    taken.push({ node: used, lock: held.lock });
  }
  await client.delete(paths.request(answer.id)).catch(() => undefined);
  return taken;
}

async function giveBack(client: ZooKeeper, node: NodeRecord, held: HeldLock): Promise<void> {
  await client.set(paths.node(node.id), encodeNode(updateNode(node, { state: 'used' }, systemRuntime.nowMs())));
  await held.release();
}

function connection(node: NodeRecord) {
  return {
    id: node.id,
    label: node.labels,
    interface_ip: node.interfaceIp,
    connection_type: node.connectionType,
    connection_port: node.connectionPort,
    username: node.username,
    host_keys: node.hostKeys,
    provider: node.provider,
    az: node.az,
    attributes: node.attributes,
  };
}

async function use(taken: readonly Taken[], r: RequestOptions): Promise<number> {
  const nodes = taken.map(({ node }) => connection(node));
  if (r.exec === undefined) {
    if (r.format === 'json') console.log(JSON.stringify(nodes, null, 2));
    else
      for (const n of nodes)
        console.log(
          `${n.id}: ${n.connection_type ?? '?'} ${n.username ?? ''}@${n.interface_ip ?? '?'} port ${String(n.connection_port)} (${n.label.join(',')}, provider ${n.provider ?? '?'})`,
        );
    console.error('the nodes are yours until this command ends (Ctrl-C)');
    await untilSignal();
    return 0;
  }
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-request-'));
  try {
    return await run(
      r.exec,
      taken.map((t) => t.node),
      nodes,
      directory,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function run(
  command: string,
  records: readonly NodeRecord[],
  nodes: readonly object[],
  directory: string,
): Promise<number> {
  const knownHosts = join(directory, 'known_hosts');
  const lines = records.flatMap((node) => {
    const host = node.connectionPort === 22 ? node.interfaceIp : `[${node.interfaceIp}]:${String(node.connectionPort)}`;
    return node.hostKeys.map((key) => `${host} ${key}`);
  });
  writeFileSync(knownHosts, `${lines.join('\n')}\n`, { mode: 0o600 });
  const first = records[0];
  const child = spawn('/bin/sh', ['-c', command], {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODEPOOL_NODES_JSON: JSON.stringify(nodes),
      NODEPOOL_KNOWN_HOSTS: knownHosts,
      NODEPOOL_NODE_ID: first?.id ?? '',
      NODEPOOL_NODE_IP: first?.interfaceIp ?? '',
      NODEPOOL_NODE_PORT: typeof first?.connectionPort === 'number' ? String(first.connectionPort) : '',
      NODEPOOL_NODE_USERNAME: first?.username ?? '',
    },
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? (signal ? 128 : 1)));
  });
}
