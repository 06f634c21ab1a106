/** What our drivers ask a cluster for, beside what the Python drivers ask it for, field by field, and what jobs are given. */
import { expect, test } from 'vitest';
import { LauncherBeside, type Side } from './support/beside.ts';
import { TestCluster, uniqueName } from './support/cluster.ts';
import { patience } from './support/launching.ts';

const kube = new TestCluster();
const labels = ['ns', 'pod', 'spec', 'project', 'ospod', 'inpod', 'inspec'];
const pod = [
  'image: some/image, image-pull: Always, python-path: /usr/bin/python3, shell-type: sh, cpu: 2, memory: 1024, storage: 10',
  'cpu-limit: 4, memory-limit: 2048, env: [{name: FOO, value: bar}], privileged: true',
  'volumes: [{name: scratch, emptyDir: {}}], volume-mounts: [{name: scratch, mountPath: /scratch}]',
  'annotations: {note: hello}, labels: {team: one}, dynamic-labels: {tenant: "{request.tenant_name}"}',
].join(', ');
const spec = 'spec: {containers: [{name: c, image: other/image}], priority: 0}';

const config = (pools: { readonly space: string; readonly pods: string }, stock: number) => `
labels: [${labels.map((name) => `{name: ${name}, min-ready: ${stock}}`).join(', ')}]
providers:
  - name: kube
    driver: kubernetes
    context: kubernetes
    pools:
      - name: ${pools.space}
        labels:
          - {name: ns, type: namespace, labels: {team: one}}
          - {name: pod, type: pod, gpu: 1.0, gpu-resource: gpu-vendor.example/example-gpu, node-selector: {storageType: ssd}, ${pod}}
          - {name: spec, type: pod, ${spec}}
  - name: os
    driver: openshift
    context: openshift
    pools: [{name: ${pools.space}-os, labels: [{name: project, type: project}, {name: ospod, type: pod, ${pod}}]}]
  - name: osp
    driver: openshiftpods
    context: openshiftpods
    pools: [{name: ${pools.pods}, labels: [{name: inpod, ${pod}}, {name: inspec, ${spec}}]}]
`;

/** Paths and bodies of all creations, and the nodes' documents, without what differs from run to run. */
async function observe(side: Side) {
  const pools = { space: uniqueName('pool'), pods: uniqueName('pods') };
  const proxy = await kube.proxy();
  const kubeconfig = await kube.configFor(proxy.url, await kube.administrator());
  await kube.podProject(pools.pods, ['create', 'get', 'list', 'delete', 'watch']);
  const beside = await LauncherBeside.start(side, config(pools, 0), kubeconfig.path);
  try {
    // One after the other, so that each has the same number on both sides.
    beside.configure(config(pools, 1));
    const ready = () => beside.nodes().filter(({ state }) => state === 'ready').length;
    await expect.poll(ready, { ...patience, timeout: 150_000 }).toBe(labels.length);
    const nodes = beside.nodes();
    const labelOf = new Map(nodes.map(({ id, labels: own }) => [id, own[0]!]));
    const plain = (text: string) =>
      text
        .replace(/("nodepool\/launch\\?":\\?")[0-9a-f]{16}/g, '$1LAUNCH')
        .replaceAll(pools.space, 'POOL')
        .replaceAll(pools.pods, 'PODS')
        .replaceAll(proxy.url, 'SERVER')
        .replace(/(\d{10})(-\d+)?/g, (_, id: string) => `<${labelOf.get(id) ?? id}>`)
        .replace(/"[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}"/g, '"TOKEN"');
    const created = new Map<string, unknown>();
    for (const { method, path, body } of proxy.calls) {
      // The launcher asks once who it is.
      if (method !== 'POST' || path.endsWith('/selfsubjectreviews')) continue;
      const { metadata } = body as { metadata: { name: string } };
      created.set(plain(`${path} ${metadata.name}`), JSON.parse(plain(JSON.stringify(body))));
    }
    const documents = new Map(
      nodes.map((node) => [node.labels[0]!, JSON.parse(plain(JSON.stringify(fieldsOf(node)))) as unknown]),
    );
    beside.configure(config(pools, 0));
    await expect
      .poll(
        async () => {
          await beside.useUp();
          return beside.nodes().length;
        },
        { timeout: 150_000, interval: 500 },
      )
      .toBe(0);
    return { created, documents };
  } finally {
    await beside.stop();
    await proxy.close();
    await kubeconfig.remove();
    await kube.removeNamespace(pools.pods);
  }
}

/** What consumers read. */
function fieldsOf(node: ReturnType<LauncherBeside['nodes']>[number]) {
  const { state, provider, labels: own, externalId, interfaceIp, hostId, cloud, az, region, username } = node;
  const { connectionType, connectionPort, pythonPath, shellType, resources, hostKeys, attributes } = node;
  return {
    ...{ state, provider, own, externalId, interfaceIp, hostId, cloud, az, region, username },
    ...{ connectionType, connectionPort, pythonPath, shellType, resources, hostKeys, attributes },
  };
}

/** `path: ours <- theirs` of every leaf that differs. */
function differences(path: string, ours: unknown, theirs: unknown): string[] {
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return [];
  const isTree = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (!isTree(ours) || !isTree(theirs)) return [`${path}: ${JSON.stringify(ours)} <- ${JSON.stringify(theirs)}`];
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  return keys.flatMap((key) => differences(`${path}.${key}`, ours[key], theirs[key]));
}

test('the same objects and documents, with the differences that are meant', async () => {
  const [ours, theirs] = [await observe('ours'), await observe('peer')];
  const found = (of: 'created' | 'documents') =>
    [...new Set([...ours[of].keys(), ...theirs[of].keys()])]
      .sort()
      .flatMap((key) => differences(key, ours[of].get(key), theirs[of].get(key)));
  const lines = [...found('created'), ...found('documents')];
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('differences.txt');
});
