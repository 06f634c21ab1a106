/** A collector of traces: takes OTLP over HTTP, or behaves badly; what it got is read by the Python library for OTLP. */
import { execFileSync, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Zuul's, which has that library too. */
export const python = process.env['NODEPOOL_TEST_ZUUL_PYTHON'] ?? join(homedir(), '.cache/nodepool-ci/zuul/bin/python');
const script = fileURLToPath(new URL('traces.py', import.meta.url));

export interface CollectedSpan {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly seconds: number;
  readonly startedAt: number;
  /** 2: an error. */
  readonly status: number;
  readonly said: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

export type Manner = 'takes' | 'refuses' | 'babbles' | 'hangs';

export class Collector {
  readonly bodies: { readonly path: string; readonly type: string; readonly body: Buffer }[] = [];
  manner: Manner = 'takes';
  private readonly server: Server;
  private port = 0;

  private constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const sent = Buffer.concat(chunks);
        const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
        this.bodies.push({ path: request.url ?? '', type: request.headers['content-type'] ?? '', body });
        if (this.manner === 'hangs') return;
        if (this.manner === 'refuses') return void response.writeHead(503, { 'retry-after': '1' }).end();
        response.writeHead(200, { 'content-type': 'application/x-protobuf' });
        response.end(this.manner === 'babbles' ? 'this is no answer' : '');
      });
    });
  }

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.server.listen(0, '127.0.0.1', resolve));
    const address = collector.server.address();
    collector.port = typeof address === 'object' && address ? address.port : 0;
    return collector;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Of protobuf bodies. */
  spans(): CollectedSpan[] {
    const lines = this.bodies
      .filter(({ type }) => type.includes('protobuf'))
      .map(({ body }) => body.toString('base64'));
    if (lines.length === 0) return [];
    return JSON.parse(
      execFileSync(python, [script, 'decode'], { input: lines.join('\n'), encoding: 'utf8' }),
    ) as CollectedSpan[];
  }

  /** The text of the span_info of a span that Zuul's tracing has sent here. */
  async zuulSpan(): Promise<string> {
    const child = spawn(python, [script, 'zuul', `${this.endpoint}/v1/traces`], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let wrong = '';
    child.stdout.on('data', (chunk) => (said += String(chunk)));
    child.stderr.on('data', (chunk) => (wrong += String(chunk)));
    const status = await new Promise((resolve) => child.on('close', resolve));
    if (status !== 0) throw new Error(`zuul.lib.tracing: ${wrong}`);
    return said.trim();
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
