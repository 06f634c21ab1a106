import { expect, it } from 'vitest';
import type { NodepoolConfig } from '../config/model.ts';
import { fileFindings } from './files.ts';

const config = (servers: object[]) =>
  ({
    zookeeper: { servers, tls: { cert: '/c', key: '/zookeeper.key', ca: '/ca' } },
    coordinator: { dataDir: '/data', tls: { cert: '/c', key: '/coordinator.key', ca: '/ca' } },
  }) as unknown as NodepoolConfig;

function found(modes: Record<string, number>, o: { servers?: object[]; uid?: number } = {}): string[] {
  const stat = (path: string) => (path in modes ? { mode: modes[path]!, uid: 10001 } : undefined);
  const findings = fileFindings('/secure.yaml', config(o.servers ?? []), stat, o.uid ?? 10001);
  return findings.map(({ subject, problem }) => `${subject}: ${problem}`);
}

const closed = { '/secure.yaml': 0o640, '/zookeeper.key': 0o600, '/coordinator.key': 0o640, '/data': 0o700 };

it('says nothing of what is closed, or not there', () => {
  expect(found(closed)).toEqual([]);
  expect(found({})).toEqual([]);
});

it('names secrets that everybody may read', () => {
  expect(found({ ...closed, '/secure.yaml': 0o644, '/zookeeper.key': 0o604, '/coordinator.key': 0o666 })).toEqual([
    '/secure.yaml: the secure file may be read by everybody on this machine',
    '/zookeeper.key: zookeeper-tls.key may be read by everybody on this machine',
    '/coordinator.key: coordinator.tls.key may be read by everybody on this machine',
  ]);
});

it('looks at the data directory where the embedded coordinator is used', () => {
  const open = { ...closed, '/data': 0o770 };
  expect(found(open, { uid: 7 })).toEqual([
    '/data: the data directory belongs to user 10001, and this is user 7',
    '/data: others may write into the data directory',
  ]);
  expect(found(open, { uid: 7, servers: [{}] })).toEqual([]);
  // Root looks at the tree of others.
  expect(found(closed, { uid: 0 })).toEqual([]);
});
