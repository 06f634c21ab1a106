/** A client of Apache ZooKeeper whose certificates are renewed in their files, and broken there. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemRuntime } from '../../../src/base/runtime.ts';
import { createZooKeeper, TlsFileWatch } from '@nodepool/zookeeper';
import { type Apache, startApache } from '@nodepool/zookeeper/internal/testing/apache';

let apache: Apache;
beforeAll(async () => {
  apache = await startApache(1);
});
afterAll(() => apache.close());

const fingerprint = (cert: Buffer) => new X509Certificate(cert).fingerprint256;

it('the next connection takes the renewed ones, a broken file keeps the old ones, and the session lives on', async () => {
  const inPlace = (name: string) => join(apache.directory, name);
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: apache.directory, stdio: 'pipe' });
  const problems: string[] = [];
  const watch = new TlsFileWatch({
    files: () => ({ cert: inPlace('client.pem'), key: inPlace('client.key'), ca: inPlace('ca.pem') }),
    runtime: systemRuntime,
    onRenewed: () => undefined,
    onProblem: (problem) => problems.push(problem),
  });
  const used: string[] = [];
  const [server] = apache.servers;
  const zk = createZooKeeper({
    servers: [server!.secure],
    sessionTimeoutMs: 60_000,
    tls: () => {
      used.push(fingerprint(watch.current.cert));
      return watch.current;
    },
  });
  const states: string[] = [];
  zk.onState((state) => states.push(state));
  try {
    await zk.create('/mine', Buffer.from('x'), { mode: 'ephemeral' });
    const first = fingerprint(readFileSync(inPlace('client.pem')));
    expect(used).toEqual([first]);

    openssl('req -newkey rsa:2048 -nodes -keyout next.key -out next.csr -subj /CN=localhost');
    openssl('x509 -req -in next.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out next.pem -days 30 -extfile ext');
    const restart = async () => {
      await server!.kill();
      await server!.start();
      await expect.poll(() => zk.state, { timeout: 60_000 }).toBe('connected');
      await zk.get('/mine');
    };
    writeFileSync(inPlace('client.key'), readFileSync(inPlace('next.key')));
    writeFileSync(inPlace('client.pem'), readFileSync(inPlace('next.pem')));
    const renewed = fingerprint(readFileSync(inPlace('client.pem')));
    expect(renewed).not.toBe(first);
    await restart();
    expect(used.at(-1)).toBe(renewed);

    writeFileSync(inPlace('client.pem'), 'nonsense');
    await restart();
    expect(used.at(-1)).toBe(renewed);
    expect(problems).toEqual([expect.stringContaining("client.pem can't be used")]);
    expect(states).not.toContain('expired');
  } finally {
    watch.close();
    await zk.close();
  }
});
