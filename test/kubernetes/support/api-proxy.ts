/**
 * Stands between a driver and the API server, with a certificate of the cluster's authority, and does to the traffic what
 * networks, admission and overload do: refuses, delays, loses answers, cuts watches, changes what is asked for.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SeenCall {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** What becomes of a call; nothing: it goes through. */
interface Refusal {
  readonly answer: number;
  readonly message: string;
  readonly reason?: string;
  readonly headers?: Record<string, string>;
}

export type Fate =
  | Refusal
  | { readonly stream: string }
  | { readonly loseAnswer: true }
  | { readonly hang: true }
  | { readonly body: unknown };

export type Rule = (call: SeenCall) => Fate | undefined;

export class ApiProxy {
  readonly url: string;
  /** All calls, in their order. */
  readonly calls: SeenCall[] = [];
  /** Each is asked in turn; the first that answers decides. */
  readonly rules = new Set<Rule>();
  private readonly server: https.Server;
  private readonly target: URL;
  private readonly targetAgent: https.Agent;
  private readonly sockets = new Set<Socket>();
  private readonly streams = new Set<ServerResponse>();
  private readonly hanging = new Set<() => void>();

  private constructor(server: https.Server, target: URL, targetCa: string) {
    this.server = server;
    this.target = target;
    this.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.targetAgent = new https.Agent({ ca: targetCa, keepAlive: true });
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    server.on('request', (request, response) => void this.serve(request, response));
  }

  /** `pki`: folder with the cluster's authority, ca.crt and ca.key. */
  static async start(target: string, pki: string): Promise<ApiProxy> {
    const server = https.createServer(await certificate(pki, 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ApiProxy(server, new URL(target), readFileSync(join(pki, 'ca.crt'), 'utf8'));
  }

  /** From now on new connections see this one; those that are open are cut. */
  setCertificate(pair: { readonly key: string; readonly cert: string }): void {
    this.server.setSecureContext(pair);
    this.cut();
  }

  /** The next `n` calls that match meet this fate. */
  next(n: number, matches: (call: SeenCall) => boolean, fate: Fate | ((call: SeenCall) => Fate)): () => boolean {
    let left = n;
    const rule: Rule = (call) => {
      if (left <= 0 || !matches(call)) return undefined;
      if (--left === 0) this.rules.delete(rule);
      return typeof fate === 'function' ? fate(call) : fate;
    };
    this.rules.add(rule);
    return () => left === 0;
  }

  /** All connections end at once. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  cutWatches(): void {
    for (const stream of this.streams) stream.destroy();
  }

  /** Those that hang are let go. */
  releaseHanging(): void {
    for (const release of [...this.hanging]) release();
  }

  get watches(): number {
    return this.streams.size;
  }

  async close(): Promise<void> {
    this.releaseHanging();
    this.cut();
    this.targetAgent.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await readAll(request).catch(() => null);
    if (text === null) return;
    const url = new URL(request.url ?? '/', this.url);
    const call: SeenCall = {
      method: url.searchParams.has('watch') ? 'WATCH' : (request.method ?? ''),
      path: url.pathname,
      body: text === '' ? null : (JSON.parse(text) as unknown),
    };
    this.calls.push(call);
    const fate = this.fateOf(call);
    if (fate && 'answer' in fate) return refuse(response, fate);
    if (fate && 'stream' in fate) return void response.writeHead(200).end(fate.stream);
    if (fate && 'hang' in fate) {
      await new Promise<void>((resolve) => {
        const release = () => {
          this.hanging.delete(release);
          resolve();
        };
        this.hanging.add(release);
        response.on('close', release);
      });
    }
    if (response.destroyed) return;
    this.forward(
      request,
      response,
      call,
      fate && 'body' in fate ? JSON.stringify(fate.body) : text,
      fate && 'loseAnswer' in fate,
    );
  }

  private fateOf(call: SeenCall): Fate | undefined {
    for (const rule of this.rules) {
      const fate = rule(call);
      if (fate) return fate;
    }
    return undefined;
  }

  private forward(
    request: IncomingMessage,
    response: ServerResponse,
    call: SeenCall,
    body: string,
    lose = false,
  ): void {
    const own = new Set(['host', 'connection', 'content-length']);
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !own.has(name)));
    const onward = https.request(
      new URL(request.url ?? '/', this.target),
      {
        method: request.method,
        agent: this.targetAgent,
        headers: { ...headers, ...(body ? { 'content-length': Buffer.byteLength(body) } : {}) },
      },
      (answer) => {
        if (lose) {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        response.flushHeaders();
        if (call.method === 'WATCH') {
          this.streams.add(response);
          response.on('close', () => {
            this.streams.delete(response);
            answer.destroy();
          });
        }
        answer.on('error', () => response.destroy());
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(body || undefined);
  }
}

function refuse(response: ServerResponse, { answer, message, reason = '', headers = {} }: Refusal): void {
  response.writeHead(answer, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: answer, reason, message }));
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** For 127.0.0.1, signed by the cluster's authority; with `days` below 1 it has expired. */
export async function certificate(pki: string, days: number): Promise<{ readonly key: string; readonly cert: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'api-proxy-'));
  try {
    const file = (name: string) => join(directory, name);
    await writeFile(file('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=api-proxy'];
    await run('openssl', ['req', ...curve, '-keyout', file('key'), '-out', file('csr')]);
    await run('openssl', [
      ...['x509', '-req', '-in', file('csr'), '-CA', join(pki, 'ca.crt'), '-CAkey', join(pki, 'ca.key')],
      ...['-set_serial', String(Date.now()), '-days', String(days), '-extfile', file('ext'), '-out', file('crt')],
    ]);
    return { key: await readFile(file('key'), 'utf8'), cert: await readFile(file('crt'), 'utf8') };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
