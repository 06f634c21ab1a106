import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { systemRuntime } from '../runtime/runtime.ts';
import { createZooKeeper } from './client.ts';
import { makeCertificates } from '../server/certificates.ts';
import { startCoordinator } from '../server/coordinator.ts';
import { readTlsFiles, TlsFileWatch } from './tls-files.ts';
import { loggerTo } from '../testing/logger-to.ts';

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nodepool-tls-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Two pairs of the same CA cannot be had from `makeCertificates`: each renewal here is one of CA and all. */
async function made(directory: string, name: string): Promise<string> {
  await makeCertificates(join(directory, name));
  return join(directory, name);
}

const client = (directory: string) => ({
  cert: join(directory, 'client.pem'),
  key: join(directory, 'client.key'),
  ca: join(directory, 'ca.pem'),
});

/** Looks are asked for here, not waited for. */
const runtime = { ...systemRuntime, setBackgroundTimer: () => ({ cancel: () => undefined }) };

it('takes renewed files, keeps the old ones while they do not fit, and says so once', async () => {
  const directory = place();
  const [live, next] = [await made(directory, 'live'), await made(directory, 'next')];
  const said: string[] = [];
  const watch = new TlsFileWatch({
    files: () => client(live),
    runtime,
    onRenewed: () => said.push('renewed'),
    onProblem: (problem) => said.push(problem.replaceAll(directory, '')),
  });
  const first = watch.current;
  expect(first).toEqual(readTlsFiles(client(live)));
  expect(first.expiresMs).toBeGreaterThan(systemRuntime.nowMs());

  // Half done: the key is there before the certificate.
  cpSync(join(next, 'client.key'), join(live, 'client.key'));
  expect(watch.current).toBe(first);
  expect(watch.current).toBe(first);
  expect(said).toEqual([expect.stringMatching(/^\/live\/client\.pem and \/live\/client\.key don't fit together: /)]);
  expect(watch.problem?.problem).toContain("don't fit together");

  writeFileSync(join(live, 'client.pem'), 'nonsense');
  expect(watch.current).toBe(first);
  rmSync(join(live, 'ca.pem'));
  expect(watch.current).toBe(first);
  expect(said.slice(1).map((text) => text.split(':')[0])).toEqual([
    "/live/client.pem can't be used",
    "/live/ca.pem can't be used",
  ]);

  for (const file of ['client.pem', 'ca.pem']) cpSync(join(next, file), join(live, file));
  expect(watch.current).toEqual(readTlsFiles(client(next)));
  expect(watch.problem).toBeNull();
  expect(said.at(-1)).toBe('renewed');
});

it('sees links that lead elsewhere now, as they are in mounted secrets', async () => {
  const directory = place();
  const [one, two] = [await made(directory, 'one'), await made(directory, 'two')];
  const link = join(directory, 'current');
  symlinkSync(one, link);
  const watch = new TlsFileWatch({ files: () => client(link), runtime, onRenewed: () => {}, onProblem: () => {} });
  symlinkSync(two, `${link}.new`);
  renameSync(`${link}.new`, link);
  expect(watch.current.cert).toEqual(readTlsFiles(client(two)).cert);
  unlinkSync(link);
});

it('refuses what cannot even be looked at, and goes on looking', async () => {
  const directory = place();
  const [live, next] = [await made(directory, 'live'), await made(directory, 'next')];
  const said: string[] = [];
  let tick: () => void = () => undefined;
  const watch = new TlsFileWatch({
    files: () => client(live),
    runtime: {
      ...systemRuntime,
      setBackgroundTimer: (_, callback) => ((tick = callback), { cancel: () => undefined }),
    },
    onRenewed: () => said.push('renewed'),
    onProblem: (problem) => said.push(problem),
  });
  const first = watch.current;
  const ca = join(live, 'ca.pem');
  rmSync(ca);
  symlinkSync('ca.pem', ca);
  tick();
  expect(watch.current).toBe(first);
  expect(said).toEqual([expect.stringContaining(`${ca} can't be used: ELOOP`)]);
  expect(
    () => new TlsFileWatch({ files: () => client(live), runtime, onRenewed: () => {}, onProblem: () => {} }),
  ).toThrow(expect.objectContaining({ code: 'tls-files', file: 'ca' }) as Error);
  unlinkSync(ca);
  for (const file of ['client.key', 'client.pem', 'ca.pem']) cpSync(join(next, file), join(live, file));
  tick();
  expect(said.slice(1)).toEqual(['renewed']);
});

it('takes at the next look what could not be read, though nothing of it has changed', async () => {
  const directory = place();
  const [live, next] = [await made(directory, 'live'), await made(directory, 'next')];
  let readable = true;
  const watch = new TlsFileWatch({
    files: () => client(live),
    runtime,
    onRenewed: () => {},
    onProblem: () => {},
    readFile: (path) => {
      if (!readable && path === join(live, 'client.key')) throw new Error('EMFILE: too many open files');
      return readFileSync(path);
    },
  });
  readable = false;
  for (const file of ['client.key', 'client.pem', 'ca.pem']) cpSync(join(next, file), join(live, file));
  expect(watch.current.cert).not.toEqual(readTlsFiles(client(next)).cert);
  expect(watch.problem?.problem).toContain('EMFILE');
  readable = true;
  expect(watch.current.cert).toEqual(readTlsFiles(client(next)).cert);
  expect(watch.problem).toBeNull();
});

it('reads again when the rights of a file have changed', async () => {
  const live = await made(place(), 'live');
  let renewals = 0;
  const watch = new TlsFileWatch({
    files: () => client(live),
    runtime,
    onRenewed: () => renewals++,
    onProblem: () => {},
  });
  expect([watch.current && renewals]).toEqual([0]);
  chmodSync(join(live, 'client.key'), 0o640);
  expect([watch.current && renewals]).toEqual([1]);
});

it('looks by itself every few seconds', async () => {
  const directory = place();
  const [live, next] = [await made(directory, 'live'), await made(directory, 'next')];
  const renewed = new Promise<void>((resolve) => {
    const hastened = {
      ...systemRuntime,
      setBackgroundTimer: (ms: number, callback: () => void) => systemRuntime.setTimer(ms / 200, callback),
    };
    const watch = new TlsFileWatch({
      files: () => client(live),
      runtime: hastened,
      onRenewed: () => resolve(),
      onProblem: () => {},
    });
    onTestFinished(() => watch.close());
  });
  cpSync(next, live, { recursive: true });
  await renewed;
});

it('the embedded server shows renewed certificates to new connections, and keeps the sessions of old ones', async () => {
  const directory = place();
  const [live, next] = [await made(directory, 'live'), await made(directory, 'next')];
  const said: string[] = [];
  const hastened = {
    ...systemRuntime,
    setBackgroundTimer: (ms: number, callback: () => void) =>
      systemRuntime.setBackgroundTimer(ms === 5000 ? 25 : ms, callback),
  };
  const server = await startCoordinator({
    dataDir: join(directory, 'data'),
    port: null,
    tlsPort: 0,
    tls: { cert: join(live, 'server.pem'), key: join(live, 'server.key'), ca: join(live, 'ca.pem') },
    runtime: hastened,
    log: loggerTo((message) => said.push(message)),
  });
  onTestFinished(() => server.close());
  const port = server.address.tlsPort!;
  const shown = (as: string) =>
    new Promise<string>((resolve, reject) => {
      const { cert, key, ca } = readTlsFiles(client(as));
      const socket: TLSSocket = connect({ host: '127.0.0.1', port, cert, key, ca }, () => {
        const { raw } = socket.getPeerCertificate();
        socket.destroy();
        resolve(new X509Certificate(raw).fingerprint256);
      });
      socket.on('error', reject);
    });
  const fingerprint = (as: string) =>
    new X509Certificate(readTlsFiles({ ...client(as), cert: join(as, 'server.pem'), key: join(as, 'server.key') }).cert)
      .fingerprint256;
  const old = fingerprint(live);
  expect(await shown(live)).toBe(old);

  const watch = new TlsFileWatch({
    files: () => client(live),
    runtime: hastened,
    onRenewed: () => {},
    onProblem: () => {},
  });
  onTestFinished(() => watch.close());
  const zk = createZooKeeper({ servers: [{ host: 'localhost', port }], tls: () => watch.current });
  onTestFinished(() => zk.close());
  await zk.create('/mine', Buffer.from('x'), { mode: 'ephemeral' });
  const states: string[] = [];
  zk.onState((state) => states.push(state));

  writeFileSync(join(live, 'server.pem'), 'nonsense');
  await expect.poll(() => said).toContain('The new certificates are refused, the old ones stay in force');
  expect(await shown(next).catch(() => 'refused')).toBe('refused');

  cpSync(next, live, { recursive: true });
  await expect.poll(() => said).toContain('Renewed certificates are in force for new connections');
  expect(await shown(live)).toBe(fingerprint(next));
  expect(fingerprint(next)).not.toBe(old);
  // The connection of before lives, and so does its session.
  expect(Buffer.from((await zk.get('/mine')).data).toString()).toBe('x');
  expect(states).toEqual([]);
});
