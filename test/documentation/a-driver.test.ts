/** The example of docs/development/a-driver.md: it is the one that is compiled here, passes the conformance suite and launches. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { systemRuntime } from '../../src/base/runtime.ts';
import { loadYaml } from '../../src/config/testing/load-yaml.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { Cluster } from '../../src/launcher/testing/cluster.ts';
import { toyConfig } from './example-driver/config.ts';
import { driver } from './example-driver/index.ts';
import './example-driver/conformance.ts';

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const page = textOf('../../docs/development/a-driver.md');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block!);
/** As it would be in drivers/toy. */
const moved = (source: string): string =>
  source.replaceAll("'../../../src/drivers/", "'../").replaceAll("'../../../src/", "'../../");

test.each(['cloud', 'config', 'adapter', 'index', 'conformance'])('the page shows %s.ts as it is here', (name) => {
  expect(blocks('ts')).toContain(moved(textOf(`./example-driver/${name}.ts`)));
});

test('two nodes of the example get ready', async () => {
  const cluster = await Cluster.start();
  try {
    vi.spyOn(cluster, 'config').mockReturnValue(loadYaml(blocks('yaml')[0]!, [toyConfig]).config);
    await cluster.launch('', (provider) =>
      Promise.resolve(driver.createAdapter({ provider, runtime: systemRuntime, log: new MemoryLogger(), env: {} })),
    );
    await expect
      .poll(() => cluster.nodes().filter(({ state }) => state === 'ready').length, { timeout: 15_000 })
      .toBe(2);
  } finally {
    await cluster.stop();
  }
});
