import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { ConfigSource } from './config-source.ts';
import { driverDefinitions } from '../../drivers/catalogue.ts';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';

const hold = (seconds: number) => `max-hold-age: ${seconds}\n`;

function open(text: string) {
  const path = join(temporaryDirectory(), 'nodepool.yaml');
  writeFileSync(path, text);
  const ages: number[] = [];
  const refused: object[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => void refused.push(fields) };
  const source = new ConfigSource(
    {
      load: () => loadConfig({ path, env: {}, drivers: driverDefinitions }).config,
      runtime: systemRuntime,
      log,
    },
    {
      paths: [path],
      intervalMs: 5,
    },
  );
  onTestFinished(() => source.close());
  source.follow((config) => ages.push(config.maxHoldAgeMs));
  return { path, source, ages, refused };
}

it('hears of a file that is written anew or replaced', async () => {
  const { path, ages } = open(hold(1));
  writeFileSync(path, hold(22));
  await expect.poll(() => ages).toEqual([22_000]);
  writeFileSync(`${path}.new`, hold(33));
  renameSync(`${path}.new`, path);
  await expect.poll(() => ages).toEqual([22_000, 33_000]);
});

it('keeps what runs when the new file is broken, says why once, and takes the next good one', async () => {
  const { path, source, ages, refused } = open(hold(1));
  writeFileSync(path, 'max-hold-aeg: 2\n');
  await expect.poll(() => refused.length).toBe(1);
  expect(JSON.stringify(refused[0])).toMatch(/nodepool\.yaml:1:1.*max-hold-age/);
  expect(source.current.maxHoldAgeMs).toBe(1000);
  expect([...source.troubles()]).toMatchObject([{ key: 'configuration: refused' }]);
  expect([...source.troubles()][0]!.why).toMatch(/nodepool\.yaml:1:1/);
  writeFileSync(path, hold(333));
  await expect.poll(() => ages).toEqual([333_000]);
  expect([...source.troubles()]).toEqual([]);
  expect(refused).toHaveLength(1);
});

it('keeps what runs while the file is away', async () => {
  const { path, source, ages, refused } = open(hold(1));
  rmSync(path);
  source.reload();
  expect(refused).toHaveLength(1);
  expect(source.current.maxHoldAgeMs).toBe(1000);
  writeFileSync(path, hold(4444));
  await expect.poll(() => ages).toEqual([4_444_000]);
});
