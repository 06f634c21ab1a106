/**
 * Static hosts that are real sshd processes, logged into with the real ssh under strict checking of the host keys that the
 * launcher scanned: the whole way of `nodepool request --exec`, with the embedded coordinator and with Apache ZooKeeper.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { startSshd, type TestSshd } from '../../src/driver-kit/testing/sshd.ts';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';
import { type Running, until, Workplace } from './support/programs.ts';

const { username } = userInfo();
let place: Workplace;
const hosts: TestSshd[] = [];
let apache: Apache | null = null;

interface ListedNode {
  readonly id: string;
  readonly state: string;
  readonly label: readonly string[];
}

async function startHosts(count: number): Promise<void> {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${place.directory}/login`]);
  place.file('authorized_keys', readFileSync(`${place.directory}/login.pub`, 'utf8'));
  for (let i = 0; i < count; i++) hosts.push(await startHost());
}

const startHost = (port?: number) =>
  startSshd(['ed25519', 'ecdsa-256'], {
    ...(port === undefined ? {} : { port }),
    options: [`AuthorizedKeysFile ${place.directory}/authorized_keys`, 'PasswordAuthentication no'],
  });

function configFile(coordination: string): string {
  const nodes = hosts.map(
    ({ port, keys }, i) => `
          - {name: 127.0.0.1, connection-port: ${port}, username: ${username}, labels: [${i === 0 ? 'first, ' : ''}host], timeout: 5, host-key: ['${keys[0]!}', '${keys[1]!}']}`,
  );
  return place.file(
    'nodepool.yaml',
    `
${coordination}
labels: [{name: host}, {name: first}]
providers:
  - name: rack
    driver: static
    pools:
      - name: main
        nodes: ${nodes.join('')}
`,
  );
}

async function apacheSection(): Promise<string> {
  apache = await startApache(1);
  const { host, port } = apache.servers[0]!.secure;
  const { cert, key, ca } = apache.tls as { cert: Buffer; key: Buffer; ca: Buffer };
  const files = Object.entries({ cert, key, ca }).map(
    ([name, data]) => `${name}: ${place.file(`${name}.pem`, String(data))}`,
  );
  return `zookeeper-servers: [{host: ${host}, port: ${port}}]\nzookeeper-tls: {${files.join(', ')}}`;
}

/** What a careful user types. */
const ssh = (command: string) =>
  [
    `ssh -i ${place.directory}/login -F /dev/null -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=10`,
    '-o StrictHostKeyChecking=yes -o UserKnownHostsFile="$NODEPOOL_KNOWN_HOSTS" -o GlobalKnownHostsFile=/dev/null',
    `-p "$NODEPOOL_NODE_PORT" "$NODEPOOL_NODE_USERNAME@$NODEPOOL_NODE_IP" '${command}'`,
  ].join(' ');

async function run(config: string, ...args: string[]): Promise<{ status: number | NodeJS.Signals; output: string }> {
  const patience = args[0] === 'request' && !args.includes('--timeout') ? ['--timeout', '20'] : [];
  const command = place.start('nodepool', ['-c', config, ...args, ...patience]);
  return { status: await command.ended, output: command.output() };
}

async function states(config: string): Promise<string[]> {
  const { output } = await run(config, 'list', '--format', 'json');
  const start = output.indexOf('[');
  return start < 0 ? [] : (JSON.parse(output.slice(start)) as ListedNode[]).map((node) => node.state).sort();
}

const allReady = (config: string, daemon: Running) =>
  until(
    () => daemon.output().slice(-3000),
    async () => (await states(config)).join() === hosts.map(() => 'ready').join(),
    30_000,
  );

afterEach(async () => {
  await place.clear();
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

afterAll(() => apache?.close());

const kinds = {
  'embedded coordinator': () => Promise.resolve(`coordinator: {data-dir: ${place.directory}/data}`),
  'Apache ZooKeeper': apacheSection,
};

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
  test('hosts are taken, logged into and given back', async () => {
    place = new Workplace();
    await startHosts(3);
    const config = configFile(await kinds[kind]());
    const daemon = place.start('nodepool', ['-c', config, 'up']);
    await allReady(config, daemon);

    const one = await run(config, 'request', '-l', 'host', '--exec', ssh('echo logged in to "$SSH_CONNECTION"'));
    expect(one.output).toMatch(/logged in to 127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+/);
    expect(one).toMatchObject({ status: 0 });
    // All three at once, and each of them reached by what its own document says.
    const each = `echo "$NODEPOOL_NODES_JSON" | node -e 'for (const n of JSON.parse(require("fs").readFileSync(0))) console.log(n.connection_port)' | while read NODEPOOL_NODE_PORT; do export NODEPOOL_NODE_PORT; ${ssh('echo port "${SSH_CONNECTION##* }"')} < /dev/null || exit 1; done`;
    const three = await run(config, 'request', '-l', 'host', '-l', 'first', '-l', 'host', '--exec', each);
    expect(three.status, `${three.output}\n${daemon.output().slice(-6000)}`).toBe(0);
    const ports = [...three.output.matchAll(/^port (\d+)/gm)].map(([, port]) => Number(port)).sort();
    expect(ports).toEqual(hosts.map((host) => host.port).sort());
    const failing = await run(config, 'request', '-l', 'first', '--exec', ssh('exit 7'));
    expect(failing.status).toBe(7);
    await allReady(config, daemon);

    // Somebody else answers on the port of a host that is in use: ssh refuses him, and the launcher offers him to nobody.
    const gate = `${place.directory}/gate`;
    const held = place.start('nodepool', [
      ...['-c', config, 'request', '-l', 'first', '--exec'],
      `touch ${gate}.held; until [ -e ${gate}.open ]; do sleep 0.05; done; ${ssh('echo came in')}`,
    ]);
    await until(held.output, () => existsSync(`${gate}.held`));
    const { port } = hosts[0]!;
    await hosts[0]!.stop();
    hosts[0] = await startHost(port);
    place.file('gate.open', '');
    expect(await held.ended).toBe(255);
    expect(held.output()).toContain('Host key verification failed');
    expect(held.output()).not.toContain('came in');
    await until(daemon.output, () => daemon.output().includes('A host cannot be registered'));
    expect(await states(config)).toEqual(['ready', 'ready']);
    const refused = await run(config, 'request', '-l', 'first', '--wait', '--timeout', '1');
    expect(refused.status).not.toBe(0);
    daemon.process.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
  });
});
