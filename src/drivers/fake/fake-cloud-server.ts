/** A fake cloud as a process of its own: outlives launchers, is shared by several, one state an account. Loopback only. */
import { createServer, type IncomingMessage } from 'node:http';
import type { Runtime } from '../../runtime.ts';
import { FakeCloud, type FakeFaults, type FakeServerSpec } from './cloud.ts';

export interface FakeCloudServer {
  readonly port: number;
  close(): Promise<void>;
}

interface Settings {
  readonly faults?: Partial<FakeFaults>;
  readonly quota?: Record<string, number>;
  readonly capacity?: number;
  readonly bootDelayMs?: number;
  readonly deleteDelayMs?: number;
}

const mostBytes = 1024 * 1024;

export function startFakeCloudServer(o: { host?: string; port: number; runtime: Runtime }): Promise<FakeCloudServer> {
  const accounts = new Map<string, FakeCloud>();
  /** Ids that were ever created, so that a test can tell what was made from what is there. */
  const account = (name: string): FakeCloud => {
    let cloud = accounts.get(name);
    if (!cloud) accounts.set(name, (cloud = new FakeCloud(o.runtime)));
    return cloud;
  };
  const handle = async (request: IncomingMessage): Promise<unknown> => {
    const [, root, name, what, id] = (request.url ?? '').split('/').map(decodeURIComponent);
    if (root !== 'accounts' || !name || !what) return undefined;
    const cloud = account(name);
    if (cloud.faults.hang && what !== 'settings') await new Promise(() => undefined);
    switch (`${request.method} ${what}${id === undefined ? '' : '/id'}`) {
      case 'POST servers':
        return cloud.create((await bodyOf(request)) as FakeServerSpec);
      case 'GET servers':
        return cloud.list();
      case 'GET servers/id': {
        const server = cloud.get(id!);
        if (!server || server.status === 'ERROR' || server.status === 'DELETED') return {};
        const left = server.activeAtMs - o.runtime.monotonicMs();
        return { activeInMs: server.status === 'ACTIVE' ? 0 : Number.isFinite(left) ? Math.max(0, left) : null };
      }
      case 'DELETE servers/id':
        return { deleted: cloud.delete(id!) };
      case 'GET quota':
        return cloud.quota;
      case 'GET zones':
        return cloud.zones;
      case 'GET images':
        return [...cloud.images];
      case 'PUT settings':
        apply(cloud, (await bodyOf(request)) as Settings);
        return {};
      default:
        return undefined;
    }
  };
  const server = createServer((request, response) => {
    handle(request).then(
      (answer) => {
        response.statusCode = answer === undefined ? 404 : 200;
        response.end(JSON.stringify(answer ?? { error: 'no such thing' }));
      },
      (error: unknown) => {
        response.statusCode = 400;
        response.end(JSON.stringify({ error: String(error) }));
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(o.port, o.host ?? '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address ? address.port : o.port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
}

function apply(cloud: FakeCloud, settings: Settings): void {
  Object.assign(cloud.faults, settings.faults);
  if (settings.quota) cloud.quota = settings.quota;
  if (settings.capacity !== undefined) cloud.capacity = settings.capacity;
  if (settings.bootDelayMs !== undefined) cloud.bootDelayMs = settings.bootDelayMs;
  if (settings.deleteDelayMs !== undefined) cloud.deleteDelayMs = settings.deleteDelayMs;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > mostBytes) throw new Error('the body is too large');
  }
  return JSON.parse(text);
}
