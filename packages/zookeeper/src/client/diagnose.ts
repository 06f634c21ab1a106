/** Why a ZooKeeper server can't be reached, and what to do about it: one connection attempt with its error codes read. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsFiles } from './tls-files.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { TlsOptions } from './session/transport.ts';

export interface Diagnosis {
  readonly problem: string;
  /** Waiting will not mend it. */
  readonly permanent: boolean;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

export type ServerTarget = Target | TlsTarget;

interface TlsTarget extends Target {
  readonly files: TlsFiles;
  readonly material: Pick<TlsOptions, 'cert' | 'key' | 'ca'>;
}

const attemptMs = 3000;
/** A server refuses a client certificate after the client has taken the handshake for done (TLS 1.3). */
const refusalMs = 500;

/** null when nothing is wrong with it, as far as one can see from outside. */
export async function diagnose(target: ServerTarget, runtime: Runtime = systemRuntime): Promise<Diagnosis | null> {
  const where = `${target.host}:${target.port}`;
  try {
    const code = 'files' in target ? await tryTls(target, runtime) : await tryTcp(target, runtime);
    return code === null ? null : explain(code, where, 'files' in target ? target.files : null);
  } catch (error) {
    // Certificates that can't be parsed, keys that don't belong to them.
    return { problem: `${where}: the TLS files can't be used: ${(error as Error).message}`, permanent: true };
  }
}

function tryTcp(target: Target, runtime: Runtime): Promise<string | null> {
  const socket = connectTcp({ host: target.host, port: target.port });
  return outcome(socket, 'connect', runtime);
}

function tryTls(target: TlsTarget, runtime: Runtime): Promise<string | null> {
  const socket = connectTls({
    host: target.host,
    port: target.port,
    ...target.material,
    checkServerIdentity: () => undefined,
  });
  return outcome(socket, 'secureConnect', runtime);
}

/** The error's code, 'timeout', 'closed', 'closed-when-ready', or null for a connection that stands. */
function outcome(socket: Socket, ready: 'connect' | 'secureConnect', runtime: Runtime): Promise<string | null> {
  return new Promise((resolve) => {
    let isReady = false;
    let timer = runtime.setTimer(attemptMs, () => end('timeout'));
    const end = (code: string | null) => {
      timer.cancel();
      socket.destroy();
      resolve(code);
    };
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.on('close', () => end(isReady ? 'closed-when-ready' : 'closed'));
    // TLS data is read only when somebody listens, and with it the refusal.
    socket.on('data', () => undefined);
    socket.on(ready, () => {
      isReady = true;
      timer.cancel();
      timer = runtime.setTimer(refusalMs, () => end(null));
    });
  });
}

function explain(code: string, where: string, files: TlsFiles | null): Diagnosis {
  const passing = (problem: string): Diagnosis => ({ problem: `${where}: ${problem}`, permanent: false });
  const permanent = (problem: string): Diagnosis => ({ problem: `${where}: ${problem}`, permanent: true });
  if (code === 'ECONNREFUSED')
    return passing('the connection is refused: nothing listens there (is ZooKeeper running?)');
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return passing('the host name is not known');
  if (code === 'timeout') return passing('there is no answer');
  if (files === null) return passing(`the connection fails (${code})`);
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return permanent('the server does not speak TLS on this port, but zookeeper-tls is configured');
  }
  if (code.startsWith('ERR_SSL') && code.includes('ALERT')) {
    return permanent(
      `the server refuses the certificate ${files.cert} (${code}): is it signed by a CA that the server trusts?`,
    );
  }
  if (code === 'closed-when-ready') {
    return passing(
      `the server closes the connection after the handshake: it refuses the certificate ${files.cert}, or has too many clients`,
    );
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return permanent(`the server's certificate has expired or is not valid yet (${code})`);
  }
  if (/CERT|SIGNATURE|ISSUER/.test(code)) {
    return permanent(
      `the server's certificate is not signed by the CA in ${files.ca} (${code}): check zookeeper-tls.ca`,
    );
  }
  return passing(`the TLS connection fails (${code})`);
}
