/** One SSH key exchange, to learn a host key: connects, completes the exchange, leaves before any log-in. */
import type { Socket } from 'node:net';
import { Client, type ServerHostKeyAlgorithm } from 'ssh2';
import type { Runtime } from '../../base/runtime.ts';
import { ConnectivityError } from './connectivity.ts';

export interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}

/**
 * Resolves with `<type> <base64>` of the key with which the host proved itself; rejects with a ConnectivityError, or the signal's
 * reason. The socket is closed in any case.
 */
export function exchangeKeys(
  socket: Socket,
  types: readonly ServerHostKeyAlgorithm[],
  o: ExchangeOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    let key: string | null = null;
    /** undefined: nothing was said yet. */
    let speaksSsh: boolean | undefined;
    let settled = false;
    const end = (result: string | Error) => {
      if (settled) return;
      settled = true;
      timer.cancel();
      o.signal.removeEventListener('abort', onAbort);
      if (typeof result === 'string') resolve(result);
      else reject(result);
      client.destroy();
      socket.destroy();
    };
    const onAbort = () => end(o.signal.reason as Error);
    const fail = (cause?: Error) => end(explain(speaksSsh, cause));
    const timer = o.runtime.setTimer(o.timeoutMs, () =>
      end(
        new ConnectivityError(
          'silent',
          `the host accepts connections, but SSH does not answer within ${o.timeoutMs / 1000} s`,
        ),
      ),
    );
    o.signal.addEventListener('abort', onAbort, { once: true });
    if (o.signal.aborted) return onAbort();
    client.on('handshake', () => (key === null ? fail() : end(key)));
    client.on('error', fail);
    client.on('close', () => fail());
    client.connect({
      sock: socket,
      username: 'nodepool',
      readyTimeout: 0,
      authHandler: () => false,
      algorithms: { serverHostKey: [...types] },
      hostVerifier: (blob: Buffer) => {
        key = keyLine(blob);
        return key !== null;
      },
    });
    // The socket may still report what is left of it after the client has let go.
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      speaksSsh ??= chunk.subarray(0, 4).toString('latin1') === 'SSH-';
    });
  });
}

function explain(speaksSsh: boolean | undefined, cause?: Error): ConnectivityError {
  const options = cause ? { cause } : {};
  if (speaksSsh === undefined) {
    return new ConnectivityError('closed', 'the host accepts connections, but closes them at once', options);
  }
  if (!speaksSsh) return new ConnectivityError('not-ssh', 'what answers there is no SSH server', options);
  const level = (cause as { level?: string } | undefined)?.level;
  if (level === 'handshake') {
    return new ConnectivityError('negotiation', `the SSH key exchange fails: ${cause?.message ?? ''}`, options);
  }
  return new ConnectivityError('closed', 'the host closed the connection during the SSH key exchange', options);
}

/** A public key blob begins with its type; anything else is not a key. */
function keyLine(blob: Buffer): string | null {
  if (blob.length < 4) return null;
  const length = blob.readUInt32BE(0);
  const type = blob.toString('latin1', 4, 4 + length);
  return length <= 64 && /^[a-z0-9@.-]+$/.test(type) ? `${type} ${blob.toString('base64')}` : null;
}
