import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { NodepoolConfig } from '../../config/model.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';
import type { Log } from '../../telemetry/log/log.ts';
import { readTlsFiles, type ZooKeeper } from '@nodepool/zookeeper';
import { makeCertificates } from '@nodepool/zookeeper/certificates';
import { shown } from '../connection.ts';
import { connectedDaemon } from './tree-connection.ts';
import { temporaryDirectory } from '../../cli/testing/command-line.ts';

const signal = new AbortController().signal;

/** Whose connection comes at the third try. */
function slowClient(): ZooKeeper {
  let tries = 0;
  const waitConnected = () => (++tries < 3 ? Promise.reject(new Error('no connection')) : Promise.resolve());
  return { waitConnected } as unknown as ZooKeeper;
}

async function place() {
  const directory = temporaryDirectory();
  await makeCertificates(join(directory, 'tls'));
  const at = (file: string) => join(directory, 'tls', file);
  const tls = { cert: at('client.pem'), key: at('client.key'), ca: at('ca.pem') };
  // The discard port of this machine: nothing listens there.
  const config = { zookeeper: { servers: [{ host: '127.0.0.1', port: 9 }], tls } } as unknown as NodepoolConfig;
  const log = new MemoryLogger();
  return { tls, config, log, asLog: log as unknown as Log };
}

const problemsIn = (log: MemoryLogger) => log.lines.map(({ fields }) => fields['problems']);

it('a waiting daemon diagnoses with the certificates in force while a file is missing', async () => {
  const { tls, config, log, asLog } = await place();
  const inForce = shown(readTlsFiles(tls));
  rmSync(tls.ca);
  await connectedDaemon(slowClient(), config, asLog, { signal, tls: () => inForce });
  const refused = [expect.stringContaining('127.0.0.1:9: the connection is refused')];
  expect(problemsIn(log)).toEqual([refused, refused]);
});

it('a waiting daemon goes on waiting where nothing can be diagnosed', async () => {
  const { tls, config, log, asLog } = await place();
  rmSync(tls.ca);
  mkdirSync(tls.ca);
  await connectedDaemon(slowClient(), config, asLog, { signal });
  const unreadable = [expect.stringContaining('zookeeper-tls.ca: ')];
  expect(problemsIn(log)).toEqual([unreadable, unreadable]);
});
