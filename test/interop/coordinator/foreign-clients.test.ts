/** Programs that others wrote, on the embedded server: Apache's `zkCli.sh` (plain) and the Python Nodepool's commands (TLS). */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, type ZooKeeper } from '@nodepool/zookeeper';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';

const directory = mkdtempSync(join(tmpdir(), 'foreign-clients-'));
let coordinator: Coordinator;
let client: ZooKeeper;

beforeAll(async () => {
  const certificates = join(directory, 'certificates');
  await makeCertificates(certificates);
  coordinator = await startCoordinator({
    dataDir: join(directory, 'data'),
    tlsPort: 0,
    tls: {
      cert: join(certificates, 'server.pem'),
      key: join(certificates, 'server.key'),
      ca: join(certificates, 'ca.pem'),
    },
    runtime: systemRuntime,
  });
  client = createZooKeeper({ servers: [{ host: '127.0.0.1', port: coordinator.address.port! }] });
});
afterAll(async () => {
  await client?.close();
  await coordinator?.close();
  rmSync(directory, { recursive: true, force: true });
});

function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 60_000, env: { ...process.env, JVMFLAGS: '-Xmx64m' } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: out + err }),
    );
  });
}

const zkCli = (...words: string[]) =>
  run('/usr/share/zookeeper/bin/zkCli.sh', ['-server', `127.0.0.1:${coordinator.address.port!}`, ...words]);

describe('zkCli.sh', () => {
  test('creates, reads, changes, lists and deletes', async () => {
    expect(await zkCli('create', '/cli', 'first')).toMatchObject({ code: 0 });
    expect((await client.get('/cli')).data.toString()).toBe('first');
    expect((await zkCli('set', '/cli', 'second')).code).toBe(0);
    expect((await zkCli('get', '-s', '/cli')).output).toMatch(/second\n[^]*dataVersion = 1\n/);
    await client.create('/cli/child', Buffer.from('x'));
    expect((await zkCli('ls', '/cli')).output).toContain('[child]');
    expect((await zkCli('stat', '/cli')).output).toContain('numChildren = 1');
    expect((await zkCli('getAcl', '/cli')).output).toContain("'world,'anyone\n: cdrwa");
    expect((await zkCli('delete', '/cli')).output).toContain('Node not empty: /cli');
    expect((await zkCli('deleteall', '/cli')).code).toBe(0);
    expect(await client.exists('/cli')).toBeNull();
  });

  test('knows sequence numbers, containers, TTL znodes and says what does not exist', async () => {
    expect((await zkCli('create', '-s', '/numbered-', '')).output).toMatch(/Created \/numbered-\d{10}/);
    expect((await zkCli('create', '-c', '/container')).output).toContain('Created /container');
    expect((await zkCli('create', '-t', '3600000', '/mortal', '')).output).toContain('Created /mortal');
    expect((await zkCli('getAllChildrenNumber', '/zookeeper')).output).toMatch(/^2$/m);
    expect((await zkCli('get', '/nowhere')).output).toContain('Node does not exist: /nowhere');
  });
});

describe('the commands of the Python Nodepool', () => {
  const program = process.env.NODEPOOL_TEST_PEER ?? join(homedir(), '.cache/nodepool-ci/peer/bin/nodepool');
  const configuration = join(directory, 'nodepool.yaml');
  const nodepool = (...words: string[]) => run(program, ['-c', configuration, ...words]);
  const node = (state: string) =>
    Buffer.from(
      JSON.stringify({
        version: 1,
        state,
        state_time: 1_700_000_000.5,
        created_time: 1_700_000_000.5,
        provider: 'sky',
        pool: 'main',
        type: ['small'],
        launcher: 'host-1',
        external_id: 'i-77',
        interface_ip: '192.0.2.7',
        hostname: 'np0000000001',
        allocated_to: null,
        hold_job: null,
        host_keys: [],
        username: 'zuul',
        connection_type: 'ssh',
        connection_port: 22,
      }),
    );

  beforeAll(async () => {
    expect(existsSync(program), `the Python Nodepool is needed at ${program} (NODEPOOL_TEST_PEER)`).toBe(true);
    const certificates = join(directory, 'certificates');
    writeFileSync(
      configuration,
      `zookeeper-servers:
  - host: localhost
    port: ${coordinator.address.tlsPort!}
zookeeper-tls:
  cert: ${certificates}/client.pem
  key: ${certificates}/client.key
  ca: ${certificates}/ca.pem
labels:
  - name: small
providers:
  - name: sky
    driver: static
    pools:
      - name: main
        nodes: []
`,
    );
    await client.ensurePath('/nodepool/nodes');
    await client.create('/nodepool/nodes/0000000001', node('ready'));
    await client.create('/nodepool/nodes/0000000002', node('in-use'));
    await client.ensurePath('/nodepool/requests');
    await client.create(
      '/nodepool/requests/100-0000000005',
      Buffer.from(
        JSON.stringify({
          version: 1,
          state: 'requested',
          state_time: 1_700_000_000.5,
          created_time: 1_700_000_000.5,
          node_types: ['small'],
          nodes: [],
          declined_by: [],
          requestor: 'somebody',
          requestor_data: null,
          relative_priority: 0,
          provider: null,
          reuse: true,
          event_id: null,
        }),
      ),
    );
  });

  const stateOf = async (id: string) =>
    (JSON.parse((await client.get(`/nodepool/nodes/${id}`)).data.toString()) as { state: string }).state;

  test('config-validate', async () => {
    expect(await nodepool('config-validate')).toMatchObject({ code: 0 });
  });

  test('list, request-list and info read the tree', async () => {
    const list = await nodepool('list', '--detail');
    expect(list.output).toMatch(/\| 0000000001 \|[^]*\| 0000000002 \|/);
    expect(list.output).toMatch(/ready[^]*in-use/);
    expect((await nodepool('request-list')).output).toMatch(/\| 100-0000000005 \|[^\n]*somebody/);
    expect((await nodepool('info', 'sky')).output).toContain('0000000001');
  });

  test('hold and delete lock and change nodes', async () => {
    expect(await nodepool('hold', '0000000001')).toMatchObject({ code: 0 });
    expect(await stateOf('0000000001')).toBe('hold');
    expect(await nodepool('delete', '0000000002')).toMatchObject({ code: 0 });
    expect(await stateOf('0000000002')).toBe('deleting');
    // Their locks are given back.
    for (const id of ['0000000001', '0000000002']) {
      expect((await client.children(`/nodepool/nodes/${id}/lock`)).children).toEqual([]);
    }
  });

  test('erase removes what belongs to a provider', async () => {
    expect(await nodepool('erase', 'sky', '--force')).toMatchObject({ code: 0 });
    expect((await client.children('/nodepool/nodes')).children).toEqual([]);
  });
});
