/** The log of a launcher's life: whatever a line is about can be found by the event, the request and the node. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { configFile, run, temporaryDirectory } from './testing/command-line.ts';
import { nodepool } from './program.ts';

interface Line {
  readonly name: string;
  readonly level: number;
  readonly msg: string;
  readonly eventId?: string;
  readonly requestId?: string;
  readonly nodeId?: string;
}

const configuration = (directory: string) => `coordinator: {data-dir: ${directory}/data}
webapp: {port: 0}
labels: [{name: good}, {name: bad}]
providers:
${['good', 'bad']
  .map(
    (name) => `  - name: ${name}
    driver: fake
    cloud: cloud
    region-name: nowhere
    launch-retries: 2
    fake-cloud: {failure-rate: ${name === 'bad' ? 1 : 0}, boot-delay: 0.01}
    cloud-images: [{name: debian, image-name: Fake Precise, username: zuul}]
    pools:
      - name: main
        max-servers: 3
        host-key-checking: false
        labels: [{name: ${name}, cloud-image: debian, min-ram: 1024}]
`,
  )
  .join('')}`;

it('every line about a request or a node has event, request and node', async () => {
  const directory = temporaryDirectory();
  const file = configFile(directory, configuration(directory));
  const log = join(directory, 'log');
  const logging = join(directory, 'logging.yaml');
  writeFileSync(
    logging,
    `version: 1
formatters: {json: {class: JsonFormatter}}
handlers: {file: {class: logging.FileHandler, filename: '${log}', formatter: json}}
root: {level: DEBUG, handlers: [file]}
`,
  );
  const command = (...argv: string[]) => run('-c', file, ...argv);
  const rows = async <T>(listing: string) => JSON.parse((await command(listing, '--format', 'json')).stdout) as T[];
  const up = nodepool(['-c', file, '-l', logging, 'up', '--no-webapp']);
  await expect.poll(() => existsSync(`${directory}/data/address.json`), { timeout: 10_000 }).toBe(true);
  await expect.poll(async () => (await rows('launcher-list')).length, { timeout: 20_000 }).toBe(2);

  const failed = (await command('request', '-l', 'bad')).stdout.trim();
  const served = (await command('request', '-l', 'good', '-l', 'good')).stdout.trim();
  const events = new Map<string, string>();
  const states = async () => {
    const all = await rows<{ id: string; state: string; event_id: string }>('request-list');
    for (const { id, event_id } of all) events.set(id, event_id);
    return [failed, served].map((id) => all.find((row) => row.id === id)?.state);
  };
  await expect.poll(states, { timeout: 20_000 }).toEqual(['failed', 'fulfilled']);
  const nodes = (await rows<{ id: string }>('list')).map(({ id }) => id);
  for (const id of nodes) await command('delete', id);
  await expect.poll(async () => (await rows('list')).length, { timeout: 20_000 }).toBe(0);
  process.emit('SIGUSR1');
  expect(await up).toBe(0);

  const lines = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  const about = (id: string) => lines.filter((line) => JSON.stringify(line).includes(id));
  for (const request of [failed, served]) {
    expect(about(request).length, request).toBeGreaterThan(0);
    for (const line of about(request)) {
      expect(line, line.msg).toMatchObject({ requestId: request, eventId: events.get(request) });
    }
  }
  const launches = lines.filter(({ nodeId, name }) => nodeId !== undefined && name.startsWith('nodepool.'));
  expect(launches.length).toBeGreaterThan(2);
  for (const line of launches) {
    expect(line, line.msg).toMatchObject({
      eventId: events.get(line.requestId!),
      requestId: expect.any(String) as string,
    });
  }
  for (const name of [
    'nodepool.launcher',
    'nodepool.coordinator',
    'nodepool.driver.fake.good',
    'nodepool.driver.fake.bad',
  ]) {
    expect(lines.map((line) => line.name)).toContain(name);
  }
}, 60_000);
