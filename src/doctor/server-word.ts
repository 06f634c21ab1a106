/** Sends a four-letter word to a ZooKeeper server. The answer is foreign text. */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Runtime } from '../base/runtime.ts';
import type { ServerTarget } from '@nodepool/zookeeper';

const patienceMs = 3000;
const mostBytes = 65_536;

/** null where no usable answer comes. */
export function askServer(target: ServerTarget, word: string, runtime: Runtime): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const { host, port } = target;
    const socket =
      'material' in target
        ? connectTls({ host, port, ...target.material, checkServerIdentity: () => undefined }, () => socket.write(word))
        : connectTcp({ host, port }, () => socket.write(word));
    const end = (answer: string | null) => {
      timer.cancel();
      socket.destroy();
      resolve(answer);
    };
    const timer = runtime.setTimer(patienceMs, () => end(null));
    socket.on('error', () => end(null));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.length > mostBytes) end(null);
    });
    socket.on('close', () => end(text === '' ? null : text));
  });
}
