/**
 * Apache ZooKeeper for tests: one server or an ensemble of three on free loopback ports, plain and TLS with client
 * certificates. Needs java, openssl and Debian's `zookeeper` package (its jars in /usr/share/java).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerAddress } from '../contract/types.ts';
import type { TlsOptions } from '../client/session/transport.ts';

const jars = ['zookeeper', 'netty-codec', 'netty-handler', 'netty-transport', 'netty-buffer', 'netty-common']
  .concat(['netty-resolver', 'snappy-java', 'metrics-core', 'slf4j-simple'])
  .map((name) => `/usr/share/java/${name}.jar`)
  .join(':');
const startPatienceMs = 90_000;

export interface ApacheServer {
  readonly plain: ServerAddress;
  readonly secure: ServerAddress;
  /** Starts it (again) on its old data and ports; resolves when it serves. */
  start(): Promise<void>;
  /** kill -9 */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it holds its connections but does not answer. */
  freeze(): void;
  thaw(): void;
  /** The answer to a four-letter word; '' when nobody answers. */
  ask(word: string): Promise<string>;
}

export interface Apache {
  readonly servers: readonly ApacheServer[];
  readonly tls: TlsOptions;
  /** Has the authority in ca.pem and ca.key. */
  readonly directory: string;
  leader(): Promise<ApacheServer>;
  close(): Promise<void>;
}

/** `containerCheckMs`: how often empty containers and old TTL znodes are removed. */
export async function startApache(count: 1 | 3, { containerCheckMs = 500 } = {}): Promise<Apache> {
  const dir = mkdtempSync(join(tmpdir(), 'apache-zookeeper-'));
  const tls = makeCertificates(dir);
  const ports = await freePorts(count * 4);
  const quorum =
    count === 1
      ? ''
      : Array.from(
          { length: count },
          (_, i) => `server.${i + 1}=127.0.0.1:${ports[i * 4 + 2]}:${ports[i * 4 + 3]}\n`,
        ).join('');
  const servers = Array.from({ length: count }, (_, i) =>
    makeServer(dir, i + 1, ports[i * 4]!, ports[i * 4 + 1]!, quorum, containerCheckMs),
  );
  const close = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await close();
    throw error;
  }
  const leader = async () => {
    for (const server of servers) {
      if ((await server.ask('srvr')).includes('Mode: leader')) return server;
    }
    throw new Error('no server leads');
  };
  return { servers, tls, directory: dir, leader, close };
}

function makeServer(
  root: string,
  id: number,
  plainPort: number,
  securePort: number,
  quorum: string,
  containerCheckMs: number,
): ApacheServer {
  const dir = join(root, `server-${id}`);
  const config = join(dir, 'zoo.cfg');
  mkdirSync(join(dir, 'data'), { recursive: true });
  writeFileSync(join(dir, 'data', 'myid'), String(id));
  writeFileSync(
    config,
    `tickTime=500
initLimit=40
syncLimit=10
dataDir=${dir}/data
clientPort=${plainPort}
clientPortAddress=127.0.0.1
secureClientPort=${securePort}
secureClientPortAddress=127.0.0.1
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location=${root}/server-chain.pem
ssl.keyStore.type=PEM
ssl.trustStore.location=${root}/ca.pem
ssl.trustStore.type=PEM
maxClientCnxns=0
4lw.commands.whitelist=*
admin.enableServer=false
${quorum}`,
  );
  let child: ChildProcess | null = null;
  const ask = (word: string) => fourLetterWord(plainPort, word);
  return {
    plain: { host: '127.0.0.1', port: plainPort },
    secure: { host: 'localhost', port: securePort },
    ask,
    async start() {
      const started = spawn(
        'java',
        ['-Xmx256m', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']
          .concat(['-Dzookeeper.extendedTypesEnabled=true', `-Dznode.container.checkIntervalMs=${containerCheckMs}`])
          .concat(['-cp', jars, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config]),
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      child = started;
      const log = join(dir, 'log');
      started.stdout.on('data', (chunk: Buffer) => appendFileSync(log, chunk));
      started.stderr.on('data', (chunk: Buffer) => appendFileSync(log, chunk));
      let failure: Error | null = null;
      started.once('error', (error) => (failure = error));
      const deadline = Date.now() + startPatienceMs;
      while (!(await ask('srvr')).includes('Mode:')) {
        if (failure) throw new Error('java cannot be started', { cause: failure });
        if (started.exitCode !== null || Date.now() > deadline) {
          throw new Error(`Apache ZooKeeper does not serve:\n${readFileSync(log, 'utf8').slice(-2000)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async kill() {
      const victim = child;
      child = null;
      if (!victim || victim.exitCode !== null || victim.signalCode !== null) return;
      const gone = new Promise((resolve) => victim.once('exit', resolve));
      victim.kill('SIGKILL');
      await gone;
    },
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
  };
}

function fourLetterWord(port: number, word: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port, timeout: 2000 });
    socket.on('connect', () => socket.write(word));
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function makeCertificates(dir: string): TlsOptions {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=test-ca'.split(' '));
  writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
  for (const who of ['server', 'client']) {
    openssl(...`req -newkey rsa:2048 -nodes -keyout ${who}.key -out ${who}.csr -subj /CN=localhost`.split(' '));
    openssl(
      ...`x509 -req -in ${who}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out ${who}.pem -days 30 -extfile ext`.split(
        ' ',
      ),
    );
  }
  const read = (name: string) => readFileSync(join(dir, name));
  writeFileSync(join(dir, 'server-chain.pem'), Buffer.concat([read('server.key'), read('server.pem')]));
  return { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') };
}
