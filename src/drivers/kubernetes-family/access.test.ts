import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VirtualRuntime } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { ClusterAccess } from './access.ts';

let directory: string;
let runtime: VirtualRuntime;
const file = (name: string, content: string | object): string => {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cluster-access-'));
  runtime = new VirtualRuntime();
});
afterEach(() => rmSync(directory, { recursive: true }));

const one = (name: string, token: string, cluster: object = {}) => ({
  clusters: [{ name, cluster: { server: `https://${name}.example:6443/`, ...cluster } }],
  users: [{ name, user: { token } }],
  contexts: [{ name, context: { cluster: name, user: name } }],
  'current-context': name,
});

const access = (env: Record<string, string>, context: string | null = null) =>
  new ClusterAccess(
    { runtime },
    { context, env: { HOME: directory, ...env }, serviceAccountDir: join(directory, 'account') },
  );

test('the context that is asked for, from several files; else the first current one', async () => {
  const [a, b] = [file('a', one('a', 'token-a')), file('b', one('b', 'token-b'))];
  const KUBECONFIG = [a, join(directory, 'missing'), b].join(delimiter);
  expect(access({ KUBECONFIG }).server).toBe('https://a.example:6443');
  const second = access({ KUBECONFIG }, 'b');
  expect([second.server, await second.token(), second.skipsTls, second.certificateAuthority()]).toEqual([
    ...['https://b.example:6443', 'token-b', false, null],
  ]);
});

test('an unknown context, a broken file, no file: each says so, and quotes nothing secret', () => {
  const KUBECONFIG = file('a', one('a', 'token-a'));
  expect(() => access({ KUBECONFIG }, 'c')).toThrow('there is no context c; known: a');
  const broken = file('b', `users: [{name: a, user: {token: very-secret}}\n`);
  let said = '';
  try {
    access({ KUBECONFIG: broken });
  } catch (error) {
    said = `${(error as Error).message} ${String((error as Error).cause)}`;
  }
  expect(said).toContain('is no Kubernetes client configuration');
  expect(said).not.toContain('very-secret');
  expect(() => access({})).toThrow('there is no Kubernetes client configuration, and this is no pod');
  expect(() => access({ KUBECONFIG: file('c', { ...one('a', 't'), clusters: [] }) })).toThrow('names no cluster');
});

test('in a pod, where there is no file: the account of the pod, whose token changes', async () => {
  const account = join(directory, 'account');
  writeFileSync(join(directory, 'empty'), '');
  mkdirSync(account);
  writeFileSync(join(account, 'token'), 'first\n');
  writeFileSync(join(account, 'ca.crt'), 'authority');
  const env = {
    KUBECONFIG: join(directory, 'empty'),
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    KUBERNETES_SERVICE_PORT: '443',
  };
  const inPod = access(env);
  expect([inPod.server, await inPod.token(), inPod.certificateAuthority()]).toEqual([
    ...['https://10.0.0.1:443', 'first', Buffer.from('authority').toString('base64')],
  ]);
  expect(access({ ...env, KUBERNETES_SERVICE_HOST: 'fd00::1' }).server).toBe('https://[fd00::1]:443');
  writeFileSync(join(account, 'token'), 'second');
  await runtime.advance(2000);
  expect(inPod.renew()).toBe(true);
  expect(await inPod.token()).toBe('second');
});

test('refused credentials are read again, though not all the time', async () => {
  const KUBECONFIG = file('a', one('a', 'old'));
  const refused = access({ KUBECONFIG });
  expect(await refused.token()).toBe('old');
  file('a', one('a', 'new'));
  expect(refused.renew()).toBe(false);
  expect(await refused.token()).toBe('old');
  await runtime.advance(1500);
  expect(refused.renew()).toBe(true);
  expect(await refused.token()).toBe('new');
});

test('connections are kept as long as the proof of identity is the same', async () => {
  const KUBECONFIG = file('a', one('a', 'token', { 'certificate-authority-data': 'QQ==' }));
  const kept = access({ KUBECONFIG });
  const before = await kept.credentials();
  file('a', one('a', 'other', { 'certificate-authority-data': 'QQ==' }));
  await runtime.advance(1500);
  kept.renew();
  const after = await kept.credentials();
  expect(after.agent).toBe(before.agent);
  expect(after.headers).toEqual({ Authorization: 'Bearer other' });
  file('a', one('a', 'other', { 'certificate-authority-data': 'Qg==' }));
  await runtime.advance(1500);
  kept.renew();
  expect((await kept.credentials()).agent).not.toBe(before.agent);
  kept.close();
});

test('TLS is checked unless the file says otherwise', async () => {
  const checked = await access({ KUBECONFIG: file('a', one('a', 't')) }).credentials();
  expect(checked.agent).not.toHaveProperty('options.rejectUnauthorized');
  const skipping = access({ KUBECONFIG: file('b', one('b', 't', { 'insecure-skip-tls-verify': true })) });
  expect(skipping.skipsTls).toBe(true);
  expect((await skipping.credentials()).agent).toHaveProperty('options.rejectUnauthorized', false);
});
