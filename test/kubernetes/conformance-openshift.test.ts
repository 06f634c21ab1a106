/** The demands that every driver has to meet, for the driver openshift on a real API server. */
import { expect, test } from 'vitest';
import type { Provider } from '../../src/provider/provider.ts';
import { driverConformance } from '../../src/drivers/testing/conformance/conformance.ts';
import { kubernetesBed, type KubernetesBed, openshift, startProvider, notShown } from './support/beds.ts';
import { systemRuntime } from '../../src/base/runtime.ts';
import { eventually, TestCluster } from './support/cluster.ts';

const cluster = new TestCluster();

driverConformance('openshift', (runtime) => kubernetesBed(cluster, openshift('openshift'), runtime), notShown);

/** A provider on a bed of its own, for the length of the test. */
async function withProvider(body: (bed: KubernetesBed, provider: Provider) => Promise<void>): Promise<void> {
  const bed = await kubernetesBed(cluster, openshift('openshift'), systemRuntime);
  const provider = startProvider(bed);
  try {
    await eventually(() => expect(provider.state).toBe('running'));
    await body(bed, provider);
  } finally {
    bed.proxy.rules.clear();
    await provider.stop();
    await bed.dispose();
  }
}

const end = () => ({ timeoutMs: 60_000, signal: new AbortController().signal });

/** As the Python launcher asks for one: the labels are dropped, nothing says whose it is but its name and who asked for it. */
async function pythonProject(name: string): Promise<void> {
  await cluster.as('openshift').createClusterCustomObject({
    ...{ group: 'project.openshift.io', version: 'v1', plural: 'projectrequests' },
    body: { apiVersion: 'project.openshift.io/v1', kind: 'ProjectRequest', metadata: { name, labels: { a: 'b' } } },
  });
}

test('projects that the Python launcher has made are deleted, and found when they leak; those of others are not', () =>
  withProvider(async (bed, provider) => {
    const [used, leaked, foreign] = ['0000000011', '0000000012', '0000000013'].map((id) => `${bed.poolName}-${id}`);
    await pythonProject(used!);
    await pythonProject(leaked!);
    await cluster.core.createNamespace({ body: { metadata: { name: foreign! } } });
    await provider.remove(used!, end());
    await provider.remove(foreign!, end());
    const resources = await provider.listResources(end().signal);
    expect(resources.map(({ id, metadata }) => [id, metadata['nodepool_node_id']])).toEqual([[leaked, '0000000012']]);
    for (const one of resources) await provider.deleteResource(one, end().signal);
    await eventually(async () => expect((await bed.instances()).map(({ id }) => id)).toEqual([foreign]));
  }));

test('a project that may not be looked at for a moment has not gone', () =>
  withProvider(async (bed, provider) => {
    const name = `${bed.poolName}-0000000021`;
    await pythonProject(name);
    bed.proxy.next(1, ({ method, path }) => method === 'GET' && path.endsWith(name), {
      answer: 403,
      message: 'not yet',
    });
    await expect(provider.remove(name, end())).rejects.toMatchObject({ status: 403 });
    await provider.remove(name, end());
    await eventually(async () => expect(await bed.instances()).toEqual([]));
  }));
