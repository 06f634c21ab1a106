/**
 * A fake cloud as a process of its own, behind HTTP and JSON: outlives launchers, is shared by several. Each account has its
 * own servers, quota and faults. It trusts whoever reaches it, hence the loopback.
 *
 *   GET    /accounts                      names
 *   DELETE /accounts/A                    forgets the account and all that is in it
 *   GET    /accounts/A/stats              servers now, and how many were created, deleted and refused
 *   PUT    /accounts/A/settings, /faults  see wire.ts; what is not named stays as it is
 *   POST   /accounts/A/servers            GET (all), and GET and DELETE with /ID
 *   GET    /accounts/A/quota, /zones, /images
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Runtime, sleep } from '../../base/runtime.ts';
import { FakeCloud, Refusal } from './cloud.ts';
import { faults, type Problem, serverSpec, settings } from './wire.ts';

export interface FakeCloudServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface FakeCloudServerOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  readonly runtime: Runtime;
}

/** Faults of the way to the cloud, beside those of the cloud itself; see wire.ts. */
interface TransportFaults {
  hang: boolean;
  slowMs: number;
  throttle: number;
  refuse: number;
  loseCreateAnswers: number;
  loseDeleteAnswers: number;
}

interface Account {
  readonly cloud: FakeCloud;
  readonly transport: TransportFaults;
}

const mostBytes = 1024 * 1024;
const mostAccounts = 1000;

class HttpProblem extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, kind: Problem['kind'], message: string, serverId: string | null = null) {
    super(message);
    this.status = status;
    this.problem = { kind, message, serverId };
  }
}

/** The connection breaks instead of an answer. */
class LostAnswer extends Error {}

const refusalStatus = { quota: 403, capacity: 409, 'bad-request': 400, failure: 500 } as const;

export function startFakeCloudServer(o: FakeCloudServerOptions): Promise<FakeCloudServer> {
  const clouds = new Clouds(o.runtime);
  const server = createServer((request, response) => {
    clouds.handle(request, response).then(
      (answer) => send(response, 200, answer),
      (error: unknown) => {
        if (error instanceof LostAnswer) return void response.destroy();
        if (error instanceof HttpProblem) return send(response, error.status, { error: error.problem });
        if (error instanceof Refusal) {
          const { kind, message, serverId } = error;
          return send(response, refusalStatus[kind], { error: { kind, message, serverId } });
        }
        send(response, 500, { error: { kind: 'failure', message: String(error).slice(0, 500), serverId: null } });
      },
    );
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(o.port, o.host ?? '127.0.0.1', () => {
      const address = server.address();
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ port: typeof address === 'object' && address ? address.port : o.port, close });
    });
  });
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer));
}

class Clouds {
  private readonly runtime: Runtime;
  private readonly accounts = new Map<string, Account>();

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const [root, name, what, id, ...rest] = pathOf(request);
    if (root !== 'accounts' || rest.length > 0) throw notFound();
    if (name === undefined) return [...this.accounts.keys()];
    if (what === undefined) {
      if (request.method !== 'DELETE') throw notFound();
      return { forgotten: this.accounts.delete(name) };
    }
    const account = this.account(name);
    switch (`${request.method} ${what}`) {
      case 'GET stats':
        return { ...account.cloud.counters, servers: account.cloud.list().length };
      case 'PUT settings':
        return this.apply(account, parse(settings, await bodyOf(request)));
      case 'PUT faults':
        return this.apply(account, { faults: parse(faults, await bodyOf(request)) });
    }
    await this.obstruct(account.transport, response);
    return this.serve(account, request, what, id);
  }

  private account(name: string): Account {
    let account = this.accounts.get(name);
    if (!account) {
      if (this.accounts.size >= mostAccounts) throw new HttpProblem(409, 'capacity', 'there are too many accounts');
      const transport: TransportFaults = {
        hang: false,
        slowMs: 0,
        throttle: 0,
        refuse: 0,
        loseCreateAnswers: 0,
        loseDeleteAnswers: 0,
      };
      account = { cloud: new FakeCloud(this.runtime), transport };
      this.accounts.set(name, account);
    }
    return account;
  }

  private async serve(
    { cloud, transport }: Account,
    request: IncomingMessage,
    what: string,
    id?: string,
  ): Promise<unknown> {
    switch (`${request.method} ${what}${id === undefined ? '' : '/id'}`) {
      case 'POST servers': {
        const answer = cloud.create(parse(serverSpec, await bodyOf(request)));
        if (transport.loseCreateAnswers > 0) {
          transport.loseCreateAnswers--;
          throw new LostAnswer();
        }
        return answer;
      }
      case 'GET servers':
        return cloud.list();
      case 'GET servers/id':
        return cloud.look(id!);
      case 'DELETE servers/id': {
        const goneInMs = cloud.delete(id!);
        if (transport.loseDeleteAnswers > 0) {
          transport.loseDeleteAnswers--;
          throw new LostAnswer();
        }
        if (goneInMs === null) throw new HttpProblem(404, 'not-found', `there is no server ${id}`);
        return { goneInMs };
      }
      case 'GET quota':
        return cloud.quota;
      case 'GET zones':
        return cloud.zones;
      case 'GET images':
        return cloud.listImages();
      default:
        throw notFound();
    }
  }

  private async obstruct(transport: TransportFaults, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const onClose = () => gone.abort(new LostAnswer());
    response.once('close', onClose);
    try {
      if (transport.slowMs > 0) await sleep(this.runtime, transport.slowMs, gone.signal);
      while (transport.hang) await sleep(this.runtime, 50, gone.signal);
    } finally {
      response.off('close', onClose);
    }
    if (transport.throttle > 0) {
      transport.throttle--;
      throw new HttpProblem(429, 'throttled', 'too many calls');
    }
    if (transport.refuse > 0) {
      transport.refuse--;
      throw new HttpProblem(503, 'unavailable', 'the cloud is not available');
    }
  }

  private apply({ cloud, transport }: Account, change: z.infer<typeof settings>): object {
    const { faults: newFaults = {}, capacity, images = [], ...rest } = change;
    for (const [name, value] of Object.entries(newFaults))
      Object.assign(name in transport ? transport : cloud.faults, { [name]: value });
    Object.assign(cloud, rest);
    if (capacity !== undefined) cloud.capacity = capacity ?? Number.POSITIVE_INFINITY;
    for (const image of images) {
      if (typeof image === 'string') cloud.addImage(image);
      else cloud.addImage(image.name, image.metadata);
    }
    return {};
  }
}

const notFound = () => new HttpProblem(404, 'not-found', 'there is nothing at that address');

function pathOf(request: IncomingMessage): string[] {
  try {
    const [path = ''] = (request.url ?? '').split('?');
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    throw new HttpProblem(400, 'bad-request', 'the path is not understood');
  }
}

function parse<T>(shape: z.ZodType<T>, body: unknown): T {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new HttpProblem(400, 'bad-request', z.prettifyError(parsed.error).slice(0, 1000));
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) throw new HttpProblem(413, 'bad-request', 'the body is too large');
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpProblem(400, 'bad-request', 'the body is no JSON');
  }
}
