/** A launcher's HTTP interface over a whole life of a request: what Prometheus would read, and that it goes with the launcher. */
import { existsSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ask } from '../api/testing/http-client.ts';
import { freePorts } from '@nodepool/zookeeper/internal/testing/apache';
import { nodepool } from './program.ts';
import { fakeCloudConfig, run, temporaryDirectory } from './testing/command-line.ts';

const example = (directory: string, port: number) =>
  fakeCloudConfig(directory, `webapp: {port: ${port}}\nlabels: [{name: small}, {name: large}]`, 'max-cores: 100');

it('tells what requests, launches, calls and pools were like', async () => {
  const directory = temporaryDirectory();
  const [port] = await freePorts(1);
  const file = example(directory, port!);
  writeFileSync(`${directory}/log.yaml`, 'loggers: {nodepool: {level: CRITICAL}}\n');
  const up = nodepool(['-c', file, '-l', `${directory}/log.yaml`, 'up']);
  const get = async (path: string) => (await ask(port!, path).catch(() => null)) ?? { status: 0, body: '' };
  await expect.poll(async () => (await get('/ready')).status, { timeout: 20_000 }).toBe(200);

  const taken = await run('-c', file, 'request', '-l', 'small', '-l', 'small', '-l', 'large', '--exec', 'true');
  expect(taken.status).toBe(0);
  const metrics = async () => (await get('/metrics')).body;
  const deletions = /^nodepool_cloud_call_duration_seconds_count\{.*"delete_step",outcome="ok"\} [1-9]/m;
  await expect.poll(metrics, { timeout: 20_000 }).toMatch(deletions);
  await expect.poll(metrics, { timeout: 20_000 }).toMatch(/^nodepool_event_loop_lag_seconds_count [1-9]/m);
  const text = await metrics();
  for (const line of [
    'nodepool_request_wait_seconds_count{label="small",priority="200"} 1',
    'nodepool_request_wait_seconds_count{label="large",priority="200"} 1',
    'nodepool_launch_duration_seconds_count{provider="cloud",label="small",outcome="ready"} 2',
    'nodepool_launch_duration_seconds_count{provider="cloud",label="large",outcome="ready"} 1',
    'nodepool_provider_up{provider="cloud"} 1',
    'nodepool_provider_max_servers{provider="cloud"} 3',
    'nodepool_pool_requests{provider="cloud",pool="main"} 0',
    'nodepool_pool_resource_limit{provider="cloud",pool="main",resource="instances"} 3',
    'nodepool_pool_resource_limit{provider="cloud",pool="main",resource="cores"} 100',
    'nodepool_dispatch_queue_length 0',
    'nodepool_zookeeper_connected 1',
    'nodepool_pool_addressable_requests{provider="cloud",pool="main"} 0',
    'nodepool_troubles{severity="critical"} 0',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).toMatch(
    /^nodepool_cloud_call_duration_seconds_count\{provider="cloud",operation="launch_step",outcome="ok"\} [1-9]/m,
  );
  expect(await ask(port!, '/health', { accept: 'application/json' })).toMatchObject({ status: 200 });
  expect((await get('/label-list')).body).toContain('| small |');

  process.emit('SIGUSR1');
  expect(await up).toBe(0);
  expect((await get('/ready')).status).toBe(0);
  expect(existsSync(`${directory}/data/address.json`)).toBe(false);
});

it('is left out on demand', async () => {
  const directory = temporaryDirectory();
  const [port] = await freePorts(1);
  const file = example(directory, port!);
  writeFileSync(`${directory}/log.yaml`, 'loggers: {nodepool: {level: CRITICAL}}\n');
  const up = nodepool(['-c', file, '-l', `${directory}/log.yaml`, 'up', '--no-webapp']);
  const pools = async () => (await run('-c', file, 'launcher-list')).stdout;
  await expect.poll(pools, { timeout: 20_000 }).toContain('| cloud');
  await expect(ask(port!, '/ready')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  process.emit('SIGUSR1');
  expect(await up).toBe(0);
});
