/** Requests that hold what others wait for: the first in order gets it, without anybody giving anything back from outside. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { startFakeCloudServer } from '../../drivers/fake/fake-cloud-server.ts';
import { ProviderError } from '../../driver-kit/errors.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { altered } from '../testing/altered-adapter.ts';
import { adaptersWith, Cluster, fakeProvider, hastened } from '../testing/cluster.ts';

const patience = { timeout: 20_000, interval: 5 };
const hurry = hastened(20);
let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start(hurry);
});
afterEach(() => cluster.stop());

/** A cloud with room for four servers, of which it tells nobody; no `b` before there have been four. */
async function crowdedCloud() {
  const server = await startFakeCloudServer({ port: 0, runtime: systemRuntime });
  onTestFinished(() => server.close());
  const address = `http://127.0.0.1:${server.port}`;
  let hasBeenFull = false;
  const begun = new WeakSet<object>();
  const room = async () => {
    const servers = (await (await fetch(`${address}/accounts/cloud/servers`)).json()) as object[];
    hasBeenFull ||= servers.length >= 4;
    return hasBeenFull && servers.length < 4;
  };
  const create = altered(
    (adapter) => ({
      advanceCreate: async (state, spec, context) => {
        if (spec.label.name === 'b' && !begun.has(spec) && !(await room()))
          throw new ProviderError('quota', 'too many servers');
        begun.add(spec);
        return adapter.advanceCreate(state, spec, context);
      },
    }),
    adaptersWith(hurry),
  );
  const label = (name: string) => `{name: ${name}, cloud-image: image, min-ram: 1}`;
  const pool = `[{name: main, max-servers: 9, labels: [${label('a')}, ${label('b')}]}]`;
  const provider = fakeProvider('cloud', pool, `fake-cloud: {address: '${address}', boot-delay: 0.01}`);
  return { create, text: `labels: [{name: a}, {name: b}]\nproviders: ${provider}\n` };
}

test.each([1, 3])(
  'two requests that wait for the last node of each other: the first in order gets it (%i launchers)',
  async (launchers) => {
    const { create, text } = await crowdedCloud();
    await Promise.all(Array.from({ length: launchers }, () => cluster.launch(text, create)));
    await expect.poll(() => cluster.pools().length, patience).toBe(launchers);
    const [later, first] = [
      await cluster.submit({ nodeTypes: ['a', 'a', 'b'] }, '300'),
      await cluster.submit({ nodeTypes: ['a', 'a', 'b'] }, '100'),
    ];
    const nodesOf = (id: string) => cluster.nodes().filter((node) => node.allocatedTo === id && node.state === 'ready');
    await expect.poll(() => [nodesOf(first).length, nodesOf(later).length], patience).toEqual([2, 2]);
    await cluster.untilState(first, 'fulfilled');
    expect([cluster.request(later)!.state, nodesOf(later)]).toEqual(['pending', []]);
    await cluster.giveBack(first);
    await cluster.untilState(later, 'fulfilled');
  },
);
