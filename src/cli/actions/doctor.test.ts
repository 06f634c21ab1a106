/** `doctor` against a running coordinator, with and without a launcher. The rules alone: ../doctor/rules.test.ts. */
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { encodeRequest, newRequest } from '../../records/request.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { paths } from '../../store/paths.ts';
import { createZooKeeper } from '@nodepool/zookeeper';
import { startCoordinator } from '@nodepool/zookeeper/server';
import { nodepool } from '../program.ts';
import { configFile, run, temporaryDirectory } from '../testing/command-line.ts';

const patience = { timeout: 20_000, interval: 100 };

interface Report {
  readonly stuck: boolean;
  readonly findings: readonly {
    readonly check: string;
    readonly subject: string;
    readonly severity: string;
    readonly reasons: readonly string[];
    readonly since: string | null;
    readonly hint: string;
  }[];
}

function configuration(directory: string, more = ''): string {
  return configFile(
    directory,
    `coordinator: {data-dir: ${directory}/data}
labels: [{name: small}]
providers:
  - name: cloud
    driver: fake
    cloud: cloud
    ${more}
    cloud-images: [{name: debian, image-id: i}]
    pools: [{name: main, host-key-checking: false, labels: [{name: small, cloud-image: debian, min-ram: 1}]}]
`,
  );
}

async function examine(file: string, ...more: string[]): Promise<{ status: number; report: Report }> {
  const { status, stdout, stderr } = await run('-c', file, 'doctor', '--format', 'json', ...more);
  if (stdout === '') throw new Error(stderr);
  return { status, report: JSON.parse(stdout) as Report };
}

async function coordinator(directory: string) {
  const running = await startCoordinator({
    dataDir: `${directory}/data`,
    runtime: systemRuntime,
  });
  const zk = createZooKeeper({ servers: [], connector: running.connector, runtime: systemRuntime });
  onTestFinished(async () => {
    await zk.close();
    await running.close();
  });
  return zk;
}

function silent(directory: string): string[] {
  const file = `${directory}/log.yaml`;
  writeFileSync(file, 'loggers: {nodepool: {level: CRITICAL}}\n');
  return ['--log-format', 'json', '-l', file];
}

/** `nodepool up` until the end of the test. */
async function up(directory: string, file: string): Promise<void> {
  const running = nodepool(['-c', file, ...silent(directory), 'up']);
  onTestFinished(async () => {
    process.emit('SIGUSR1');
    await running;
  });
  await expect.poll(() => existsSync(`${directory}/data/address.json`), patience).toBe(true);
}

describe('doctor', () => {
  it('has nothing to say of what is well', async () => {
    const directory = temporaryDirectory();
    const file = configuration(directory);
    await up(directory, file);
    await expect.poll(async () => (await examine(file)).report.findings, patience).toEqual([]);
    const { status, stdout } = await run('-c', file, 'doctor');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Nothing is wrong.*1 launchers, 1 pools, 0 nodes, 0 requests/);
  });

  it('says what a launcher knows alone: why its provider does not start, when it tries again', async () => {
    const directory = temporaryDirectory();
    const file = configuration(directory, `fake-cloud: {address: 'http://127.0.0.1:9'}`);
    await up(directory, file);
    const stated = async () => {
      const { report } = await examine(file);
      return report.findings.find(({ check }) => check === 'launcher: provider cloud: start');
    };
    await expect.poll(stated, patience).toBeDefined();
    const { status, report } = await examine(file);
    expect(status).toBe(1);
    const offline = report.findings.find(({ check }) => check === 'provider-offline')!;
    expect(offline).toMatchObject({ severity: 'critical', subject: 'provider cloud' });
    expect(offline.reasons[0]).toContain('127.0.0.1:9 cannot be reached');
    const { reasons, hint, since } = (await stated())!;
    expect(reasons[1]).toMatch(/nextTryInMs \d+/);
    expect(hint).toContain('tried again');
    expect(Date.parse(since!)).toBeGreaterThan(Date.now() - 60_000);
  });

  it('works from the tree alone, where no launcher is running', async () => {
    const directory = temporaryDirectory();
    const file = configuration(directory);
    const zk = await coordinator(directory);
    await zk.ensurePath(paths.requests);
    await zk.ensurePath(paths.nodes);
    const request = encodeRequest(newRequest({ nodeTypes: ['small\u001b[2J'], requestor: 'zuul' }, Date.now()));
    await zk.create(`${paths.requests}/200-`, request, { mode: 'persistent-sequential' });
    await zk.create(`${paths.nodes}/`, Buffer.from('{"state": "re'), { mode: 'persistent-sequential' });
    await zk.ensurePath(`${paths.requestLock('200-0000000099')}/lock`);
    await zk.ensurePath(`${paths.health}/rubbish`);
    const checks = async (...more: string[]) =>
      (await examine(file, ...more)).report.findings.map(({ check }) => check);
    expect(await checks()).toEqual(['no-launcher', 'launcher-health', 'broken-document']);
    await expect.poll(() => checks('--older-than', '0.0001'), patience).toContain('request-unserved');
    const text = await run('-c', file, 'doctor', '--older-than', '0.0001');
    expect(text).toMatchObject({ status: 1, stderr: '' });
    expect(text.stdout).toContain('CRITICAL  launchers: no launcher is running');
    expect(text.stdout).not.toContain('\u001b');
  });

  it('says that ZooKeeper cannot be reached, in its own form', async () => {
    const file = configFile(temporaryDirectory(), 'zookeeper-servers: [{host: 127.0.0.1, port: 9}]\n');
    const { stdout, status } = await run('-c', file, '--connect-timeout', '0.5', 'doctor', '--format', 'json');
    expect(status).toBe(1);
    const { findings } = JSON.parse(stdout) as Report;
    expect(findings).toMatchObject([{ check: 'zookeeper-unreachable', severity: 'critical' }]);
    expect(findings[0]!.reasons[0]).toContain('127.0.0.1:9');
  });

  it('names what is wrong with the files also where there is no connection', async () => {
    const directory = temporaryDirectory();
    const file = configuration(directory);
    const ours = process.getuid!();
    mkdirSync(`${directory}/data`);
    chmodSync(`${directory}/data`, 0o777);
    // Cannot be read by the superuser either.
    symlinkSync('address.json', `${directory}/data/address.json`);
    const open = { check: 'file-permissions', hint: `chmod 0700 ${directory}/data` };
    const own = (await examine(file)).report;
    expect(own.findings).toMatchObject([{ check: 'zookeeper-unreachable' }, open]);
    expect(own.findings[0]!.reasons[0]).toMatch(/can't be seen: ELOOP[^;]*$/);

    const getuid = vi.spyOn(process, 'getuid').mockReturnValue(ours + 1);
    onTestFinished(() => getuid.mockRestore());
    const { status, report } = await examine(file);
    expect(status).toBe(1);
    expect(report.findings).toMatchObject([
      { check: 'zookeeper-unreachable' },
      { check: 'file-permissions', hint: `run nodepool as user ${ours}` },
      open,
    ]);
    expect(report.findings[0]!.reasons[0]).toContain(
      `it belongs to user ${ours}, and this process is user ${ours + 1}`,
    );
  });

  it('takes no nonsense for a time', async () => {
    const file = configuration(temporaryDirectory());
    expect((await run('-c', file, 'doctor', '--older-than', 'soon')).status).toBe(2);
  });
});
