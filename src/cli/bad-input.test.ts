/** What a user can get wrong, each with a message that says what, where and what to do, and never a stack. */
import { createServer, type Server } from 'node:net';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../base/runtime.ts';
import { type Coordinator, startCoordinator } from '@nodepool/zookeeper/server';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { configFile, type Printed, run, temporaryDirectory } from './testing/command-line.ts';

function expectMistake(printed: Printed, ...parts: string[]): void {
  expect(printed.status).toBe(1);
  for (const part of parts) expect(printed.stderr).toContain(part);
  expect(printed.stderr).not.toMatch(/^\s+at /m);
}

async function listening(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as { port: number }).port };
}

describe('the configuration', () => {
  it('is no YAML', async () => {
    const file = configFile(temporaryDirectory(), 'labels:\n  - name: a\n   - name: b\n');
    for (const command of ['config-validate', 'list', 'up']) {
      expectMistake(await run('-c', file, command), `${file}:3:`);
    }
  });

  it('has an unknown key: names the nearest one', async () => {
    const file = configFile(temporaryDirectory(), 'labels:\n  - name: a\n    min-redy: 1\n');
    expectMistake(await run('-c', file, 'config-validate'), `${file}:3:5`, 'min-redy', 'min-ready');
    expectMistake(await run('-c', file, 'launcher'), `${file}:3:5`);
  });

  it('has a value of the wrong type', async () => {
    const file = configFile(temporaryDirectory(), 'labels:\n  - name: [a]\n');
    expectMistake(await run('-c', file, 'config-validate'), `${file}:2:11`, 'labels[0].name');
  });

  it('is not there (any more)', async () => {
    const file = configFile(temporaryDirectory(), 'labels: []\n');
    expect((await run('-c', file, 'config-validate')).status).toBe(0);
    rmSync(file);
    for (const command of ['config-validate', 'list', 'up']) {
      expectMistake(await run('-c', file, command), file, 'there is no such file');
    }
  });

  it('of the logging is not there', async () => {
    const file = configFile(temporaryDirectory(), 'labels: []\n');
    expectMistake(await run('-c', file, '-l', '/nowhere/log.yaml', 'list'), '/nowhere/log.yaml');
  });
});

describe('the coordinator', () => {
  it('is not running: says where it was looked for and how to start it', async () => {
    const directory = temporaryDirectory();
    const file = configFile(directory, `coordinator: {data-dir: ${directory}/data}\n`);
    const message = `no coordinator is running in ${directory}/data; start one with \`nodepool up\``;
    for (const command of [['list'], ['request', '-l', 'a', '--wait'], ['launcher'], ['explain', '1']]) {
      expectMistake(await run('-c', file, ...command), message);
    }
  });

  it('has died and left its address behind, which another process has taken', async () => {
    const { port, server } = await listening();
    server.close();
    const directory = temporaryDirectory();
    const file = configFile(directory, `coordinator: {data-dir: ${directory}}\n`);
    const address = { pid: process.pid, host: '127.0.0.1', port, tlsPort: null };
    writeFileSync(join(directory, 'address.json'), JSON.stringify(address));
    expectMistake(
      await run('-c', file, '--connect-timeout', '0.3', 'list'),
      `no coordinator is running in ${directory}`,
    );
  });

  it('finds its port in use', async () => {
    const { port } = await listening();
    const directory = temporaryDirectory();
    const file = configFile(directory, `coordinator: {data-dir: ${directory}/data, port: ${port}}\n`);
    for (const command of ['up', 'coordinator']) {
      expectMistake(await run('-c', file, command), `port ${port}`, 'in use', 'coordinator.port');
    }
    expect(existsSync(`${directory}/data/address.json`)).toBe(false);
  });

  it('finds its data directory in use', async () => {
    const directory = temporaryDirectory();
    const running = await startCoordinator({ dataDir: directory, runtime: systemRuntime });
    onTestFinished(() => running.close());
    const file = configFile(directory, `coordinator: {data-dir: ${directory}}\n`);
    expectMistake(await run('-c', file, 'up'), directory, `in use by process ${process.pid}`);
  });

  it('is to have certificates where there are some already', async () => {
    const directory = temporaryDirectory();
    expect((await run('coordinator-certs', directory)).status).toBe(0);
    expectMistake(await run('coordinator-certs', directory), `${directory}/ca.pem`, 'not overwritten');
  });
});

it('the fake cloud finds its port in use', async () => {
  const { port } = await listening();
  expectMistake(await run('fake-cloud', '--port', String(port)), String(port), 'in use', 'choose another port');
});

describe('zookeeper-servers', () => {
  const list = (directory: string, port: number, tls: string) =>
    run(
      '-c',
      configFile(directory, `zookeeper-servers: [{host: 127.0.0.1, port: ${port}}]\n${tls}`),
      '--connect-timeout',
      '0.5',
      'list',
    );
  const tlsOf = (client: string, ca: string) =>
    `zookeeper-tls: {cert: ${client}/client.pem, key: ${client}/client.key, ca: ${ca}/ca.pem}\n`;

  it('refuse the connection', async () => {
    const { port, server } = await listening();
    server.close();
    expectMistake(await list(temporaryDirectory(), port, ''), `127.0.0.1:${port}`, 'nothing listens there');
  });

  it('need files that are not there', async () => {
    expectMistake(await list(temporaryDirectory(), 1, tlsOf('/nowhere', '/nowhere')), 'zookeeper-tls.cert', '/nowhere');
  });

  describe('with TLS', () => {
    async function secure(): Promise<{ coordinator: Coordinator; directory: string; ours: string; theirs: string }> {
      const directory = temporaryDirectory();
      const [ours, theirs] = [join(directory, 'ours'), join(directory, 'theirs')];
      await makeCertificates(ours);
      await makeCertificates(theirs);
      const tls = { cert: join(ours, 'server.pem'), key: join(ours, 'server.key'), ca: join(ours, 'ca.pem') };
      const dataDir = join(directory, 'data');
      const coordinator = await startCoordinator({ dataDir, tlsPort: 0, tls, runtime: systemRuntime });
      onTestFinished(() => coordinator.close());
      return { coordinator, directory, ours, theirs };
    }

    it('answer to the right certificates', async () => {
      const { coordinator, directory, ours } = await secure();
      const printed = await list(directory, coordinator.address.tlsPort!, tlsOf(ours, ours));
      expect(printed).toMatchObject({ status: 0, stderr: '' });
    });

    it('have a certificate of another CA', async () => {
      const { coordinator, directory, ours, theirs } = await secure();
      const printed = await list(directory, coordinator.address.tlsPort!, tlsOf(ours, theirs));
      expectMistake(printed, 'is not signed by the CA in', `${theirs}/ca.pem`, 'zookeeper-tls.ca');
    });

    it('refuse our certificate', async () => {
      const { coordinator, directory, ours, theirs } = await secure();
      const printed = await list(directory, coordinator.address.tlsPort!, tlsOf(theirs, ours));
      expectMistake(printed, 'refuses the certificate', `${theirs}/client.pem`);
    });

    it('speak no TLS on that port', async () => {
      const { coordinator, directory, ours } = await secure();
      const printed = await list(directory, coordinator.address.port!, tlsOf(ours, ours));
      expectMistake(printed, `127.0.0.1:${coordinator.address.port}`);
      expect(printed.stderr).toMatch(/does not speak TLS|the TLS connection fails/);
    });

    it('are given a file that holds no certificate', async () => {
      const { coordinator, directory, ours } = await secure();
      writeFileSync(join(ours, 'client.pem'), 'nonsense');
      const printed = await list(directory, coordinator.address.tlsPort!, tlsOf(ours, ours));
      expectMistake(printed, "the TLS files can't be used");
    });
  });
});
