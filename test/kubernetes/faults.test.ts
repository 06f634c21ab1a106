/** An API server that fails in the ways they fail: said in words, survived without a restart, unnoticed by other providers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { NodepoolConfig } from '../../src/config/model.ts';
import { explainProviders } from '../../src/scheduling/explain.ts';
import { readHealth } from '../../src/store/transactions/health.ts';
import { certificate, type SeenCall } from './support/api-proxy.ts';
import { isPodCreation } from './support/beds.ts';
import { eventually, TestCluster } from './support/cluster.ts';
import { containerAdapters, patience, surroundings } from './support/launching.ts';

const kube = new TestCluster();
const at = surroundings(kube);
let config: NodepoolConfig;

beforeEach(async () => {
  await kube.podProject(at.pool, ['create', 'get', 'list', 'delete', 'watch']);
});

/** Pods, since they are quick; and another provider, which must not notice anything. */
async function launch(): Promise<void> {
  const text = `labels: [{name: small}, {name: other}]
providers:
  - name: ${at.pool}
    driver: openshiftpods
    context: openshiftpods
    pools: [{name: ${at.pool}, labels: [{name: small, image: some/image}]}]
  - name: neighbour
    driver: fake
    cloud: fake
    cloud-images: [{name: image, image-id: fake-image-id}]
    pools: [{name: main, labels: [{name: other, cloud-image: image, min-ram: 1}]}]`;
  config = at.cluster.config(text);
  await at.cluster.launch(text, containerAdapters({ [at.pool]: at.kubeconfig.path }, at.log));
}

const request = () => at.cluster.submit({ nodeTypes: ['small'] });
const untilFulfilled = (id: string) => expect.poll(() => at.cluster.request(id)?.state, patience).toBe('fulfilled');

/** Before, requests for its label fail: nobody can serve them. */
const untilOffered = () =>
  expect.poll(() => at.cluster.pools().map(({ provider }) => provider), patience).toContain(at.pool);

async function neighbourServes(): Promise<void> {
  const id = await at.cluster.submit({ nodeTypes: ['other'] });
  await at.cluster.untilState(id, 'fulfilled');
  await at.cluster.giveBack(id);
}

/** What `nodepool doctor` would say. */
async function troubles(): Promise<string> {
  const seen = await readHealth(at.cluster.seen);
  return seen
    .flatMap(({ record }) => record?.troubles ?? [])
    .map(({ what, why }) => `${what}: ${why}`)
    .join('\n');
}

const untilSaid = (words: RegExp) => expect.poll(troubles, patience).toMatch(words);
const untilNothingSaid = () => expect.poll(troubles, patience).not.toContain(at.pool);

test('watches that are cut are resumed where they broke off', async () => {
  await launch();
  await untilFulfilled(await request());
  for (let i = 0; i < 5; i++) {
    await expect.poll(() => at.proxy.watches, patience).toBe(1);
    const asked = at.proxy.calls.length;
    const id = await request();
    await expect.poll(() => at.proxy.calls.slice(asked).some(isPodCreation), patience).toBe(true);
    at.proxy.cutWatches();
    await untilFulfilled(id);
  }
  const watches = at.proxy.calls.filter(({ method }) => method === 'WATCH').length;
  expect(watches).toBeGreaterThanOrEqual(6);
  // Once for the first look at the start, once for the watch; housekeeping may look, too.
  const lists = at.proxy.calls.filter(({ method, path }) => method === 'GET' && path.endsWith('/pods')).length;
  expect(lists).toBeLessThan(watches);
});

test.each([
  ['in an answer', { answer: 410, message: 'too old resource version', reason: 'Expired' }],
  [
    'in an event',
    { stream: '{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n' },
  ],
])('a place that the server has forgotten (410 %s): everything is read again', async (_where, fate) => {
  await launch();
  await untilFulfilled(await request());
  await expect.poll(() => at.proxy.watches, patience).toBe(1);
  const met = at.proxy.next(1, ({ method }) => method === 'WATCH', fate);
  at.proxy.cutWatches();
  await expect.poll(met, patience).toBe(true);
  await expect.poll(() => at.proxy.watches, patience).toBe(1);
  await untilFulfilled(await request());
});

test('a server that is overloaded says when to come back', async () => {
  await launch();
  await untilFulfilled(await request());
  const busy = () => ({
    answer: 429,
    message: 'too many requests, please try again later',
    headers: { 'retry-after': '2' },
  });
  at.proxy.rules.add(busy);
  const id = await request();
  await untilSaid(/too many calls.*too many requests, please try again later/);
  await neighbourServes();
  at.proxy.rules.delete(busy);
  await untilFulfilled(id);
});

test('a server that stands still: its neighbours go on, and so does it when it moves again', async () => {
  await launch();
  const before = await request();
  await untilFulfilled(before);
  const stands = () => ({ hang: true }) as const;
  at.proxy.rules.add(stands);
  const id = await request();
  await at.cluster.giveBack(before);
  await neighbourServes();
  await untilSaid(/no answer/);
  await neighbourServes();
  at.proxy.rules.delete(stands);
  at.proxy.releaseHanging();
  await untilFulfilled(id);
  await expect.poll(() => at.cluster.nodes().length, patience).toBe(1);
  await expect.poll(async () => (await kube.pods(at.pool)).length, patience).toBe(1);
});

test('a certificate that has expired: nothing is sent to such a server; a new one, and it goes on', async () => {
  await launch();
  await untilFulfilled(await request());
  at.proxy.setCertificate(await certificate(kube.pki, -1));
  const asked = at.proxy.calls.length;
  const id = await request();
  await untilSaid(/certificate has expired/);
  const health = (await readHealth(at.cluster.seen)).flatMap(({ record }) => (record ? [record] : []));
  expect(explainProviders({ labels: ['small'] }, config, health).join()).toMatch(
    /host.* says: .*certificate has expired/,
  );
  expect(explainProviders({ labels: ['other'] }, config, health)).toEqual([]);
  expect(at.proxy.calls.length).toBe(asked);
  await neighbourServes();
  at.proxy.setCertificate(await certificate(kube.pki, 1));
  await untilFulfilled(id);
  await untilNothingSaid();
});

test('a token that is revoked, and another one in the file', async () => {
  const token = await kube.accountToken('openshiftpods');
  await at.kubeconfig.edit((document) => {
    for (const { name, user } of document.users) if (name === 'openshiftpods') user['token'] = token.token;
  });
  await launch();
  await untilFulfilled(await request());
  await token.revoke();
  // The server believes a token for a moment after its end.
  await eventually(async () => expect(await kube.isAccepted(token.token)).toBe(false));
  const id = await request();
  await untilSaid(/401|Unauthorized/);
  await neighbourServes();
  await at.kubeconfig.edit((document) => {
    for (const { name, user } of document.users)
      if (name === 'openshiftpods') user['token'] = kube.token('openshiftpods');
  });
  await untilFulfilled(id);
  await untilNothingSaid();
});

test('credentials that a command prints, and that expire', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'exec-credentials-'));
  try {
    const script = join(directory, 'print');
    const count = join(directory, 'count');
    await writeFile(
      script,
      `#!/bin/sh
echo run >> ${count}
cat <<END
{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status":
 {"token": "${kube.token('openshiftpods')}", "expirationTimestamp": "$(date -u -d '+3 seconds' +%Y-%m-%dT%H:%M:%SZ)"}}
END
`,
      { mode: 0o700 },
    );
    await at.kubeconfig.edit((document) => {
      const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: script, interactiveMode: 'Never' };
      for (const one of document.users) if (one.name === 'openshiftpods') one.user = { exec };
    });
    await launch();
    await untilFulfilled(await request());
    expect(at.log.text).not.toContain(kube.token('openshiftpods'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('an authority that did not sign for the server: the provider is not available, and says why', async () => {
  const trust = (authority: string) =>
    at.kubeconfig.edit((document) => {
      for (const entry of document.clusters) {
        entry.cluster['certificate-authority-data'] = Buffer.from(authority).toString('base64');
      }
    });
  await trust(kube.frontAuthority());
  await launch();
  await untilSaid(/not available.*(unable to verify|self-signed|certificate)/);
  expect(at.proxy.calls).toEqual([]);
  await neighbourServes();
  await trust(kube.authority());
  await untilOffered();
  await untilFulfilled(await request());
});

test('the server is away when the launcher starts, and comes later', async () => {
  const away = ({ method }: SeenCall) => (method === 'GET' ? { answer: 503, message: 'starting' } : undefined);
  at.proxy.rules.add(away);
  await launch();
  await untilSaid(/not available.*starting/);
  await neighbourServes();
  at.proxy.rules.delete(away);
  await untilOffered();
  await untilFulfilled(await request());
});
