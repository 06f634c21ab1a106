/** Nodes of every kind, from the request to their end: what the job gets, what it may do with it, what is left. */
import { Agent, request } from 'node:https';
import { expect, test } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { type Connection, connectionOf, containerAdapters, patience, surroundings } from './support/launching.ts';

const kube = new TestCluster();
const at = surroundings(kube);

async function launch(driver: string, label: string, context = driver): Promise<void> {
  const text = `labels: [{name: small}]
providers:
  - name: ${at.pool}
    driver: ${driver}
    context: ${context}
    pools: [{name: ${at.pool}, labels: [${label}]}]`;
  await at.cluster.launch(text, containerAdapters({ [at.pool]: at.kubeconfig.path }, at.log));
}

async function oneNode() {
  const id = await at.cluster.submit({ nodeTypes: ['small'] });
  await expect.poll(() => at.cluster.request(id)?.state, patience).toBe('fulfilled');
  const [node] = at.cluster.nodesOf(id);
  return { id, node: node!, connection: connectionOf(node!) };
}

/** The answer's status to a call with what the job was given, and nothing else. */
function ask(c: Connection, method: string, path: string, body?: object): Promise<number> {
  const agent = new Agent({ ca: Buffer.from(c.ca_crt ?? '', 'base64') });
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${c.token}`, 'Content-Type': 'application/json' };
    const call = request(c.host + path, { method, agent, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => {
        agent.destroy();
        resolve(answer.statusCode!);
      });
    });
    call.on('error', reject);
    call.end(body && JSON.stringify(body));
  });
}

const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'some/image' }] },
});
const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } };

async function allGone(): Promise<void> {
  await expect.poll(() => at.cluster.nodes(), patience).toEqual([]);
  expect(
    (await kube.core.listNamespace()).items.filter(({ metadata }) => metadata!.name!.startsWith(`${at.pool}-`)),
  ).toEqual([]);
}

test('a namespace: the account may do everything in it, and nothing outside', async () => {
  await launch('kubernetes', '{name: small, type: namespace, labels: {team: one, year: 2026}}');
  const { id, node, connection } = await oneNode();
  const name = `${at.pool}-${node.id}-1`;
  expect(node).toMatchObject({
    externalId: name,
    connectionType: 'namespace',
    interfaceIp: null,
    cloud: 'kubernetes',
    pythonPath: 'auto',
    username: null,
    resources: { instances: 1, cores: 0, ram: 0 },
    machine: null,
  });
  expect(Object.keys(connection).sort()).toEqual(['ca_crt', 'host', 'name', 'namespace', 'skiptls', 'token', 'user']);
  expect(connection).toMatchObject({ name, namespace: name, host: at.proxy.url, skiptls: false, user: 'zuul-worker' });
  const { metadata } = await kube.core.readNamespace({ name });
  expect(metadata!.labels).toMatchObject({
    team: 'one',
    year: '2026',
    nodepool_node_id: node.id,
    nodepool_provider_name: at.pool,
    nodepool_pool_name: at.pool,
    nodepool_node_label: 'small',
  });
  const inside = `/api/v1/namespaces/${name}`;
  expect(await ask(connection, 'POST', `${inside}/pods`, pod('one'))).toBe(201);
  expect(await ask(connection, 'POST', `${inside}/configmaps`, configMap)).toBe(201);
  expect(await ask(connection, 'GET', `/apis/apps/v1/namespaces/${name}/deployments`)).toBe(200);
  expect(await ask(connection, 'GET', '/api/v1/namespaces')).toBe(403);
  expect(await ask(connection, 'GET', '/api/v1/namespaces/default/secrets')).toBe(403);
  expect(await ask(connection, 'POST', `/apis/rbac.authorization.k8s.io/v1/namespaces/${name}/roles`, {})).toBe(403);
  await at.cluster.giveBack(id);
  await allGone();
  expect(at.log.text + JSON.stringify(at.cluster.logged)).not.toContain(connection.token);
});

test('a pod in a namespace of its own: the account may look and execute, but make nothing', async () => {
  await launch(
    'kubernetes',
    `{name: small, type: pod, image: some/image, cpu: 2, cpu-limit: 4, memory: 64, storage: 10,
      env: [{name: FOO, value: bar}], privileged: true, annotations: {note: hello},
      volumes: [{name: scratch, emptyDir: {}}], volume-mounts: [{name: scratch, mountPath: /scratch}],
      dynamic-labels: {tenant: "{request.tenant_name}", bad: "{request.event_id}"}}`,
  );
  const id = await at.cluster.submit({ nodeTypes: ['small'], tenantName: 'acme', eventId: 'no label: !' });
  await expect.poll(() => at.cluster.request(id)?.state, patience).toBe('fulfilled');
  const node = at.cluster.nodesOf(id)[0]!;
  const connection = connectionOf(node);
  const name = `${at.pool}-${node.id}-1`;
  expect(node).toMatchObject({
    externalId: name,
    connectionType: 'kubectl',
    interfaceIp: 'small',
    hostId: 'plain',
    resources: { instances: 1, cores: 2, ram: 64, 'ephemeral-storage': 10 },
  });
  expect(Object.keys(connection).sort()).toEqual([
    ...['ca_crt', 'host', 'name', 'namespace', 'pod', 'skiptls', 'token', 'user'],
  ]);
  expect(connection).toMatchObject({ name, namespace: name, pod: 'small' });
  const made = await kube.core.readNamespacedPod({ name: 'small', namespace: name });
  expect(made.metadata!.labels).toMatchObject({ tenant: 'acme', nodepool_node_id: node.id });
  expect(made.metadata!.labels).not.toHaveProperty('bad');
  expect(made.metadata!.annotations).toMatchObject({ note: 'hello' });
  expect(made.spec!.containers[0]).toMatchObject({
    name: 'small',
    image: 'some/image',
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c'],
    args: ['while true; do sleep 30; done;'],
    env: [{ name: 'FOO', value: 'bar' }],
    resources: {
      requests: { cpu: '2', memory: '64Mi', 'ephemeral-storage': '10M' },
      limits: { cpu: '4', memory: '64Mi', 'ephemeral-storage': '10M' },
    },
    securityContext: { privileged: true },
  });
  const inside = `/api/v1/namespaces/${name}`;
  expect(await ask(connection, 'GET', `${inside}/pods/small`)).toBe(200);
  expect(await ask(connection, 'POST', `${inside}/pods`, pod('two'))).toBe(403);
  expect(await ask(connection, 'DELETE', `${inside}/pods/small`)).toBe(403);
  expect(await ask(connection, 'GET', `${inside}/secrets`)).toBe(403);
  expect(await ask(connection, 'GET', '/api/v1/namespaces/default/pods')).toBe(403);
  // Allowed; whether it succeeds is the kubelet's business.
  expect(await ask(connection, 'GET', `${inside}/pods/small/log`)).not.toBe(403);
  expect(await ask(connection, 'GET', `${inside}/pods/small/exec?command=id`)).not.toBe(403);
  await at.cluster.giveBack(id);
  await allGone();
  expect(at.log.text + JSON.stringify(at.cluster.logged)).not.toContain(connection.token);
});

test('a project, and a pod in one', async () => {
  await launch('openshift', '{name: small, type: project}');
  const { id, node, connection } = await oneNode();
  const name = `${at.pool}-${node.id}-1`;
  expect(node).toMatchObject({ externalId: name, connectionType: 'project', interfaceIp: null });
  expect(Object.keys(connection).sort()).toEqual(['ca_crt', 'host', 'namespace', 'skiptls', 'token', 'user']);
  expect(await ask(connection, 'POST', `/api/v1/namespaces/${name}/pods`, pod('one'))).toBe(201);
  expect(await ask(connection, 'GET', '/api/v1/namespaces/default/pods')).toBe(403);
  await at.cluster.giveBack(id);
  await allGone();
});

test('a pod by its specification, in a project that is there already', async () => {
  await kube.podProject(at.pool, ['create', 'get', 'list', 'delete', 'watch']);
  await launch(
    'openshiftpods',
    '{name: small, spec: {terminationGracePeriodSeconds: 1, containers: [{name: one, image: a/b}, {name: two, image: c/d}]}}',
  );
  const { id, node, connection } = await oneNode();
  const name = `small-${node.id}-1`;
  expect(node).toMatchObject({
    externalId: `${at.pool}-${name}`,
    connectionType: 'kubectl',
    interfaceIp: name,
    hostId: 'plain',
  });
  expect(Object.keys(connection).sort()).toEqual(['ca_crt', 'host', 'namespace', 'pod', 'skiptls', 'token', 'user']);
  expect(connection).toMatchObject({ namespace: at.pool, pod: name, token: kube.token('openshiftpods') });
  const made = await kube.core.readNamespacedPod({ name, namespace: at.pool });
  expect(made.spec!.containers.map((c) => c.name)).toEqual(['one', 'two']);
  expect(made.spec!.terminationGracePeriodSeconds).toBe(1);
  expect(await ask(connection, 'GET', `/api/v1/namespaces/${at.pool}/pods/${name}`)).toBe(200);
  await at.cluster.giveBack(id);
  await expect.poll(() => at.cluster.nodes(), patience).toEqual([]);
  expect(await kube.pods(at.pool)).toEqual([]);
  expect(at.log.text + JSON.stringify(at.cluster.logged)).not.toContain(connection.token);
});
