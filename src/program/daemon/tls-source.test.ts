import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { NodepoolConfig } from '../../config/model.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import { systemRuntime } from '../../base/runtime.ts';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';
import { TlsSource } from './tls-source.ts';

async function place() {
  const directory = temporaryDirectory();
  for (const name of ['live', 'next']) await makeCertificates(join(directory, name));
  const at = (file: string) => join(directory, 'live', file);
  const tls = { cert: at('client.pem'), key: at('client.key'), ca: at('ca.pem') };
  const config = (value: typeof tls | null) => ({ zookeeper: { tls: value } }) as unknown as NodepoolConfig;
  return { directory, at, tls, config };
}

const days = (count: number) => count * 86_400_000;

it('tells a doctor of files that are refused, until they are mended', async () => {
  const { directory, at, tls, config } = await place();
  const log = new MemoryLogger();
  const source = TlsSource.of(() => config(tls), systemRuntime, log)!;
  expect([...source.troubles()]).toEqual([]);
  writeFileSync(at('client.pem'), 'nonsense');
  const { cert } = source.material;
  expect([...source.troubles()]).toMatchObject([
    { key: 'zookeeper-tls: refused', severity: 'warning', why: expect.stringContaining(at('client.pem')) as string },
  ]);
  cpSync(join(directory, 'next'), join(directory, 'live'), { recursive: true });
  expect(source.material.cert).not.toEqual(cert);
  expect([...source.troubles()]).toEqual([]);
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    'error The new certificates for ZooKeeper are refused, the old ones stay in use',
    'info Renewed certificates for ZooKeeper are used from the next connection on',
  ]);
  source.close();
});

it.each([
  [10, undefined, undefined],
  [2, 'warning', 'the certificate for ZooKeeper ends soon'],
  [-1, 'critical', 'the certificate for ZooKeeper has ended'],
])('%i days before its end: %s', async (left, severity, what) => {
  const { tls, config } = await place();
  const later = { ...systemRuntime, nowMs: () => systemRuntime.nowMs() + days(3650 - left) };
  const source = TlsSource.of(() => config(tls), later, new MemoryLogger())!;
  const [trouble] = source.troubles();
  expect([trouble?.severity, trouble?.what]).toEqual([severity, what]);
  source.close();
});

it('names the setting that cannot be used at the start, and is not there without TLS', async () => {
  const { at, tls, config } = await place();
  expect(TlsSource.of(() => config(null), systemRuntime, new MemoryLogger())).toBeNull();
  writeFileSync(at('ca.pem'), '');
  expect(() => TlsSource.of(() => config(tls), systemRuntime, new MemoryLogger())).toThrow(
    `zookeeper-tls.ca: ${at('ca.pem')} can't be used`,
  );
});
