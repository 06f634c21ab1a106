/** A real sshd (Debian's openssh-server) on a free port of the loopback, with keys made for it. For tests only. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const program = '/usr/sbin/sshd';
export const haveSshd = existsSync(program);

export type HostKeyKind = 'ed25519' | 'ecdsa-256' | 'ecdsa-384' | 'ecdsa-521' | 'rsa';

export interface TestSshd {
  readonly port: number;
  /** `<type> <base64>`, as the public key files say. */
  readonly keys: readonly string[];
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startSshd(
  kinds: readonly HostKeyKind[],
  o: { port?: number; options?: readonly string[] } = {},
): Promise<TestSshd> {
  const directory = await mkdtemp(join(tmpdir(), 'sshd-'));
  const port = o.port ?? (await freePort());
  const keys: string[] = [];
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    'UsePAM no',
    'PidFile none',
    'StrictModes no',
    ...(o.options ?? []),
  ];
  for (const kind of kinds) {
    const file = join(directory, kind);
    const [type, bits] = kind.split('-');
    await promisify(execFile)('ssh-keygen', ['-q', '-t', type!, ...(bits ? ['-b', bits] : []), '-N', '', '-f', file]);
    keys.push((await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ').trim());
    lines.push(`HostKey ${file}`);
  }
  await writeFile(join(directory, 'config'), `${lines.join('\n')}\n`);
  // sshd insists on its directory for privilege separation, which only the service's start script makes.
  await mkdir('/run/sshd', { recursive: true }).catch(() => undefined);
  const child = spawn(program, ['-D', '-e', '-f', join(directory, 'config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let i = 0; !(await listens(port)); i++) {
    if (i > 200 || child.exitCode !== null) throw new Error(`sshd does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return {
    port,
    keys,
    stop: async () => {
      child.kill();
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
