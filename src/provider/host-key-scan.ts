/**
 * Reaches a host and reads its SSH host keys by real key exchanges, one for each key type that both sides know. Hosts that
 * do not answer yet are tried again until the deadline.
 */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { Client, type ServerHostKeyAlgorithm } from 'ssh2';
import { type Runtime, sleep } from '../runtime.ts';
import { ProviderError } from './errors.ts';

export interface ScanTarget {
  readonly address: string;
  readonly port: number;
  readonly connectionType: string;
}

export interface ScanOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}

const fakeKey = 'ssh-rsa FAKEKEY';
const singleAttemptMs = 10_000;
const pauseMs = 1000;
/** One exchange each; an RSA key is asked for by its newest signature first. */
const algorithms: readonly (readonly ServerHostKeyAlgorithm[])[] = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256'],
  ['ecdsa-sha2-nistp384'],
  ['ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'],
];

export const gathersKeys = (connectionType: string): boolean =>
  connectionType === 'ssh' || connectionType === 'network_cli';

/** Resolves with lines `<type> <base64>`, none for other connection types; rejects with a ProviderError 'keyscan'. */
export async function scanHostKeys(target: ScanTarget, o: ScanOptions): Promise<readonly string[]> {
  const withKeys = gathersKeys(target.connectionType);
  if (target.address.includes('fake')) return withKeys ? [fakeKey] : [];
  const deadlineMs = o.runtime.monotonicMs() + o.timeoutMs;
  const left = () => deadlineMs - o.runtime.monotonicMs();
  let problem = 'it did not answer';
  for (;;) {
    if (o.signal.aborted) throw o.signal.reason as Error;
    if (left() <= 0)
      throw new ProviderError(
        'keyscan',
        `${target.address} port ${target.port}: ${problem} (tried for ${o.timeoutMs} ms)`,
      );
    try {
      const address = await reachable(target, Math.min(singleAttemptMs, left()));
      if (!withKeys) return [];
      const first = await exchange(address, target.port, algorithms.flat(), Math.min(singleAttemptMs, left()));
      return await remainingKeys(address, target.port, first, left);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    await sleep(o.runtime, Math.max(0, Math.min(pauseMs, left())), o.signal);
  }
}

async function remainingKeys(
  address: string,
  port: number,
  first: string,
  left: () => number,
): Promise<readonly string[]> {
  const firstType = first.slice(0, first.indexOf(' '));
  const keys = await Promise.all(
    algorithms.map(async (types) => {
      if (types.includes(firstType as ServerHostKeyAlgorithm)) return first;
      if (left() <= 0) return null;
      // The host has no key of that type, or says so by closing: both mean "none".
      return exchange(address, port, types, Math.min(singleAttemptMs, left())).catch(() => null);
    }),
  );
  return [...new Set(keys.filter((key): key is string => key !== null))];
}

/** The first address of the name that takes a TCP connection. */
async function reachable(target: ScanTarget, timeoutMs: number): Promise<string> {
  const addresses = isIP(target.address)
    ? [target.address]
    : (await lookup(target.address, { all: true })).map((a) => a.address);
  let problem: Error = new Error(`the name ${target.address} has no address`);
  for (const address of addresses) {
    try {
      (await open(address, target.port, timeoutMs)).destroy();
      return address;
    } catch (error) {
      problem = error as Error;
    }
  }
  throw problem;
}

/** A plain look whether anybody listens there. */
export async function checkReachable(target: ScanTarget, timeoutMs: number): Promise<void> {
  if (target.address.includes('fake')) return;
  await reachable(target, timeoutMs);
}

function open(address: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port, timeout: timeoutMs });
    socket.once('connect', () => resolve(socket));
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ECONNREFUSED' ? new Error('the connection was refused') : error),
    );
  });
}

/** One key exchange; resolves with the key that the host shows. */
function exchange(
  address: string,
  port: number,
  types: readonly ServerHostKeyAlgorithm[],
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    let key: string | null = null;
    client.on('error', (error: Error) => {
      if (key !== null) return resolve(key);
      const what = /ECONNRESET|closed|ended|lost/i.test(error.message)
        ? 'the host closed the connection'
        : 'it does not speak SSH with us';
      reject(new Error(`${what}: ${error.message}`));
    });
    client.on('close', () =>
      key === null ? reject(new Error('the host closed the connection before the key exchange')) : resolve(key),
    );
    client.connect({
      host: address,
      port,
      username: 'nodepool',
      readyTimeout: timeoutMs,
      authHandler: () => false,
      algorithms: { serverHostKey: [...types] },
      hostVerifier: (blob: Buffer) => {
        const length = blob.readUInt32BE(0);
        key = `${blob.toString('latin1', 4, 4 + length)} ${blob.toString('base64')}`;
        resolve(key);
        setImmediate(() => client.destroy());
        return false;
      },
    });
  });
}
