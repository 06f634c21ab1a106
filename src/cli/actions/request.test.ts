/** The consumer's side, against the embedded coordinator; the launcher's part is played by the test. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeNode, newNode, type NodeFields, type NodeRecord, parseNode } from '../../records/node.ts';
import {
  encodeRequest,
  parseRequest,
  type RequestFields,
  type RequestRecord,
  updateRequest,
} from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { tryLock, type ZooKeeper } from '@nodepool/zookeeper';
import { configFile, coordinatorIn, type Printed, run, temporaryDirectory } from '../testing/command-line.ts';

let directory: string;
let file: string;
let zk: ZooKeeper;

beforeEach(async () => {
  directory = temporaryDirectory();
  const dataDir = `${directory}/data`;
  zk = await coordinatorIn(dataDir);
  await zk.ensurePath(paths.requests);
  await zk.ensurePath(paths.nodes);
  file = configFile(directory, `coordinator: {data-dir: ${dataDir}}\nzookeeper-timeout: 4.0\n`);
});

const request = (...argv: string[]) => run('-c', file, 'request', ...argv);
const now = () => systemRuntime.nowMs();

/** The next request that is put into the tree. */
async function submitted(): Promise<RequestRecord> {
  let found: RequestRecord | undefined;
  const look = async () => {
    const [id] = (await zk.children(paths.requests)).children;
    if (id === undefined) return null;
    const record = parseRequest(id, (await zk.get(paths.request(id))).data);
    if (record.broken) throw new Error(record.message);
    found = record;
    return found;
  };
  await expect.poll(look, { timeout: 10_000, interval: 5 }).not.toBeNull();
  return found!;
}

async function answer(asked: RequestRecord, fields: RequestFields): Promise<void> {
  await zk.set(paths.request(asked.id), encodeRequest(updateRequest(asked, fields, now())));
}

async function addNode(fields: NodeFields): Promise<string> {
  const node = newNode({ state: 'ready', provider: 'p', connectionType: 'ssh', ...fields }, now());
  const made = await zk.create(`${paths.nodes}/`, encodeNode(node), { mode: 'persistent-sequential' });
  return made.path.slice(paths.nodes.length + 1);
}

async function node(id: string): Promise<NodeRecord> {
  const record = parseNode(id, (await zk.get(paths.node(id))).data);
  if (record.broken) throw new Error(record.message);
  return record;
}

async function isLocked(id: string): Promise<boolean> {
  return (await zk.exists(paths.nodeLock(id))) !== null && (await zk.children(paths.nodeLock(id))).children.length > 0;
}

const requestsLeft = async () => (await zk.children(paths.requests)).children;

describe('without --wait', () => {
  it('prints the id of a request that stays', async () => {
    const printed = await request(
      '-l',
      'a',
      '-l',
      'b',
      '-l',
      'a',
      '--priority',
      '100',
      '--provider',
      'x',
      '--no-reuse',
    );
    expect(printed.status).toBe(0);
    expect(await requestsLeft()).toEqual([printed.stdout.trim()]);
    const asked = await submitted();
    expect(asked).toMatchObject({ nodeTypes: ['a', 'b', 'a'], provider: 'x', reuse: false, state: 'requested' });
    expect(asked.id).toMatch(/^100-\d{10}$/);
    expect((await zk.get(paths.request(asked.id))).stat.ephemeralOwner).toBe(0n);
  });
});

describe('with --exec', () => {
  async function fulfilled(
    command: string,
    ...fields: NodeFields[]
  ): Promise<{ printed: Promise<Printed>; ids: string[] }> {
    const printed = request('-l', 'a', '--exec', command);
    const asked = await submitted();
    const ids: string[] = [];
    for (const each of fields) ids.push(await addNode({ labels: ['a'], allocatedTo: asked.id, ...each }));
    await answer(asked, { state: 'fulfilled', nodes: ids });
    return { printed, ids };
  }

  it('holds the nodes while the command runs, then returns them and its status', async () => {
    const { printed, ids } = await fulfilled(`until [ -e ${directory}/end ]; do sleep 0.02; done; exit 7`, {}, {});
    await expect.poll(async () => (await node(ids[1]!)).state, { timeout: 10_000 }).toBe('in-use');
    for (const id of ids) {
      expect((await node(id)).state).toBe('in-use');
      const attempt = await tryLock({
        client: zk,
        runtime: systemRuntime,
        path: paths.nodeLock(id),
        createParents: false,
      });
      expect(attempt.result).toBe('locked');
    }
    expect(await requestsLeft()).toEqual([]);
    writeFileSync(`${directory}/end`, '');
    expect((await printed).status).toBe(7);
    for (const id of ids) {
      expect((await node(id)).state).toBe('used');
      expect(await isLocked(id)).toBe(false);
    }
  });

  it('tells the command how to reach the nodes', async () => {
    const { printed } = await fulfilled(
      `env > ${directory}/env; cat "$NODEPOOL_KNOWN_HOSTS" > ${directory}/hosts; dirname "$NODEPOOL_KNOWN_HOSTS" > ${directory}/dir`,
      { interfaceIp: '10.0.0.1', connectionPort: 2222, username: 'zuul', hostKeys: ['ssh-rsa A', 'ssh-ed25519 B'] },
      { interfaceIp: '10.0.0.2', hostKeys: ['ssh-rsa C', 'ssh-rsa D\n* ssh-rsa EVIL'] },
    );
    expect((await printed).status).toBe(0);
    const env = readFileSync(`${directory}/env`, 'utf8');
    expect(env).toContain('NODEPOOL_NODE_IP=10.0.0.1\n');
    expect(env).toContain('NODEPOOL_NODE_PORT=2222\n');
    expect(env).toContain('NODEPOOL_NODE_USERNAME=zuul\n');
    const all = JSON.parse(/^NODEPOOL_NODES_JSON=(.*)$/m.exec(env)![1]!) as unknown;
    expect(all).toMatchObject([{ interface_ip: '10.0.0.1' }, { interface_ip: '10.0.0.2', connection_port: 22 }]);
    expect(readFileSync(`${directory}/hosts`, 'utf8')).toBe(
      '[10.0.0.1]:2222 ssh-rsa A\n[10.0.0.1]:2222 ssh-ed25519 B\n10.0.0.2 ssh-rsa C\n',
    );
    expect(() => readFileSync(readFileSync(`${directory}/dir`, 'utf8').trim())).toThrow('ENOENT');
  });

  it.each([
    ['allocated to another request', { allocatedTo: '200-0000009999' }],
    ['not ready', { state: 'building' as const }],
  ])('takes none when one is %s, and leaves no lock and no request', async (_what, fields) => {
    const { printed, ids } = await fulfilled(`touch ${directory}/ran`, {}, fields);
    const { status, stderr } = await printed;
    expect(status).toBe(1);
    expect(stderr).toContain(`node ${ids[1]} is not ours to take`);
    expect((await node(ids[0]!)).state).toBe('ready');
    for (const id of ids) expect(await isLocked(id)).toBe(false);
    expect(await requestsLeft()).toEqual([]);
    expect(() => readFileSync(`${directory}/ran`)).toThrow('ENOENT');
  });

  it('asks with a request that goes with the process', async () => {
    const printed = request('-l', 'a', '--exec', 'true');
    const asked = await submitted();
    expect((await zk.get(paths.request(asked.id))).stat.ephemeralOwner).not.toBe(0n);
    await answer(asked, { state: 'failed', declinedBy: ['p1', 'p2'] });
    const { status, stderr } = await printed;
    expect(status).toBe(1);
    expect(stderr).toContain(`request ${asked.id} failed: none of 2 pools could serve a`);
    expect(await requestsLeft()).toEqual([]);
  });

  it('gives up after --timeout', async () => {
    const { status, stderr } = await request('-l', 'a', '--exec', 'true', '--timeout', '0.2');
    expect(status).toBe(1);
    expect(stderr).toContain('was not answered within 0.2 s');
    expect(await requestsLeft()).toEqual([]);
  });

  it('says when the request has been deleted or spoilt by somebody', async () => {
    const deleted = request('-l', 'a', '--exec', 'true');
    await zk.delete(paths.request((await submitted()).id));
    expect((await deleted).stderr).toContain('has vanished');
    const spoilt = request('-l', 'a', '--exec', 'true');
    await zk.set(paths.request((await submitted()).id), Buffer.from('{'));
    expect((await spoilt).stderr).toContain("can't be read");
  });

  it('passes a stop signal on to the command, and returns the nodes all the same', async () => {
    const { printed, ids } = await fulfilled(
      `trap 'exit 5' USR1; touch ${directory}/up; while :; do sleep 0.05; done`,
      {},
    );
    await expect.poll(() => readFileSync(`${directory}/up`, 'utf8'), { timeout: 10_000 }).toBe('');
    process.emit('SIGUSR1');
    expect((await printed).status).toBe(5);
    expect(await node(ids[0]!)).toMatchObject({ state: 'used' });
  });
});

describe('with --wait', () => {
  it('holds until it is stopped, and prints the connection as JSON when asked', async () => {
    const printed = request('-l', 'a', '--wait', '--format', 'json');
    const asked = await submitted();
    const id = await addNode({ labels: ['a'], allocatedTo: asked.id, interfaceIp: '10.0.0.1' });
    await answer(asked, { state: 'fulfilled', nodes: [id] });
    await expect.poll(async () => (await node(id)).state, { timeout: 10_000 }).toBe('in-use');
    process.emit('SIGUSR1');
    const { status, stdout } = await printed;
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ id, interface_ip: '10.0.0.1', connection_port: 22 }]);
    expect((await node(id)).state).toBe('used');
  });

  it('withdraws the request when it is stopped while waiting', async () => {
    const printed = request('-l', 'a', '--wait');
    await submitted();
    process.emit('SIGUSR1');
    expect((await printed).status).toBe(128 + 10);
    expect(await requestsLeft()).toEqual([]);
  });
});
