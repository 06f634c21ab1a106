/**
 * Where a cluster is and how to be let in: client configuration files, contexts, certificates, tokens that change, commands
 * that print credentials, the account of a pod. The files are read by the Kubernetes client library; connections are ours,
 * because the library makes a new one for each call (docs/decisions/0003-kubernetes-client.md).
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { ProviderError } from '../../driver-kit/errors.ts';
import type { Runtime } from '../../base/runtime.ts';

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** For calls; so many at once at most. */
  readonly agent: http.Agent;
  /** For watches, each of which holds a connection. */
  readonly watchAgent: http.Agent;
}

export interface AccessDeps {
  readonly runtime: Runtime;
}

export interface AccessOptions {
  /** null: the file's current context. */
  readonly context: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a pod finds its account. */
  readonly serviceAccountDir?: string;
}

const callsAtOnce = 32;
/** Tokens and certificates are looked at again this often; sooner when the server refuses them. */
const refreshMs = 10_000;
const patienceMs = 60_000;
const reloadSpacingMs = 1000;
const defaultServiceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

type RequestOptions = https.RequestOptions & { headers: Record<string, string> };

export class ClusterAccess {
  private readonly deps: AccessDeps;
  private readonly options: AccessOptions;
  private config: KubeConfig;
  private loadedMs: number;
  private cached: { readonly credentials: Promise<Credentials>; readonly untilMs: number } | null = null;
  private agents: { readonly key: string; readonly calls: http.Agent; readonly watches: http.Agent } | null = null;

  /** Throws a ProviderError when there is no usable configuration. */
  constructor(deps: AccessDeps, options: AccessOptions) {
    this.deps = deps;
    this.options = options;
    this.config = loadConfig(options);
    this.loadedMs = deps.runtime.monotonicMs();
  }

  /** URL of the API server, as configured. */
  get server(): string {
    return cluster(this.config).server;
  }

  get skipsTls(): boolean {
    return cluster(this.config).skipTLSVerify;
  }

  /** The authority that signs for the server, PEM in base64; null where none is configured. Throws if its file is unreadable. */
  certificateAuthority(): string | null {
    const { caData, caFile } = cluster(this.config);
    if (caFile) return readFileSync(caFile).toString('base64');
    return caData ?? null;
  }

  credentials(): Promise<Credentials> {
    const now = this.deps.runtime.monotonicMs();
    if (!this.cached || now >= this.cached.untilMs) {
      const credentials = this.read();
      // One that takes long is not asked for a second time meanwhile, nor waited for as long as this process lives.
      this.cached = { credentials, untilMs: now + patienceMs };
      credentials.then(
        () => {
          if (this.cached?.credentials !== credentials) return;
          this.cached = { credentials, untilMs: this.deps.runtime.monotonicMs() + refreshMs };
        },
        () => {
          if (this.cached?.credentials === credentials) this.cached = null;
        },
      );
    }
    return this.cached.credentials;
  }

  /** The bearer token in use; null where the server is satisfied with something else. */
  async token(): Promise<string | null> {
    const { headers } = await this.credentials();
    return headers['Authorization']?.split(' ').at(-1) ?? null;
  }

  /** The server refused them: read again, from the beginning. False: that was just done. */
  renew(): boolean {
    const now = this.deps.runtime.monotonicMs();
    if (now - this.loadedMs < reloadSpacingMs) return false;
    this.loadedMs = now;
    this.cached = null;
    try {
      this.config = loadConfig(this.options);
    } catch {
      // The file may be half written; what was read before still says where the server is.
      return false;
    }
    return true;
  }

  close(): void {
    retire(this.agents?.calls);
    retire(this.agents?.watches);
    this.agents = null;
  }

  private async read(): Promise<Credentials> {
    const options: RequestOptions = { headers: {} };
    try {
      await this.config.applyToHTTPSOptions(options);
    } catch (error) {
      throw new ProviderError('unknown', `no credentials for the cluster: ${(error as Error).message}`, {
        cause: error,
      });
    }
    if (typeof options.auth === 'string') {
      options.headers['Authorization'] ??= `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    const headers = Object.fromEntries(Object.entries(options.headers).map(([key, value]) => [key, value.trim()]));
    const { calls, watches } = this.agentsFor(options);
    return { headers, agent: calls, watchAgent: watches };
  }

  /** Connections live as long as what proves who is at their ends. */
  private agentsFor(options: RequestOptions): { readonly calls: http.Agent; readonly watches: http.Agent } {
    const { ca, cert, key, servername, rejectUnauthorized } = options;
    const { server, proxyUrl } = cluster(this.config);
    const tls = { ca, cert, key, servername, rejectUnauthorized };
    const identity = JSON.stringify([server, proxyUrl, ...Object.values(tls).map(String)]);
    if (this.agents?.key === identity) return this.agents;
    this.close();
    const make = (maxSockets: number): http.Agent => {
      // The library knows the ways through proxies.
      if (proxyUrl) return options.agent as http.Agent;
      const pool = { keepAlive: true, maxSockets };
      return server.startsWith('http:') ? new http.Agent(pool) : new https.Agent({ ...pool, ...defined(tls) });
    };
    this.agents = { key: identity, calls: make(callsAtOnce), watches: make(Number.POSITIVE_INFINITY) };
    return this.agents;
  }
}

function loadConfig({ context, env, serviceAccountDir }: AccessOptions): KubeConfig {
  const config = new KubeConfig();
  const found =
    readFiles(config, env) || readServiceAccount(config, env, serviceAccountDir ?? defaultServiceAccountDir);
  if (!found) throw new ProviderError('unknown', 'there is no Kubernetes client configuration, and this is no pod');
  if (context !== null) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context)) {
      throw new ProviderError('unknown', `there is no context ${context}; known: ${known.join(', ') || 'none'}`);
    }
    config.setCurrentContext(context);
  }
  cluster(config);
  return config;
}

function readFiles(config: KubeConfig, env: AccessOptions['env']): boolean {
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const files = listed.length > 0 ? listed : [join(env['HOME'] ?? homedir(), '.kube', 'config')];
  let found = false;
  for (const file of files) {
    const text = textOf(file);
    if (text.trim() === '') continue;
    const one = new KubeConfig();
    try {
      one.loadFromString(text);
      one.makePathsAbsolute(join(file, '..'));
      if (found) config.mergeConfig(one, true);
      else config.loadFromOptions(one);
    } catch (error) {
      // Its text may quote what is secret.
      throw new ProviderError('unknown', `${file} is no Kubernetes client configuration`, {
        cause: (error as Error).name,
      });
    }
    found = true;
  }
  return found;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new ProviderError('unknown', `${file} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

function readServiceAccount(config: KubeConfig, env: AccessOptions['env'], directory: string): boolean {
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '' || textOf(join(directory, 'token')) === '') return false;
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`;
  config.loadFromClusterAndUser(
    { name: 'in-cluster', server, caFile: join(directory, 'ca.crt'), skipTLSVerify: false },
    { name: 'in-cluster', authProvider: { name: 'tokenFile', config: { tokenFile: join(directory, 'token') } } },
  );
  return true;
}

function cluster(config: KubeConfig): NonNullable<ReturnType<KubeConfig['getCurrentCluster']>> {
  const found = config.getCurrentCluster();
  if (!found) {
    throw new ProviderError('unknown', `context ${config.getCurrentContext() || '(none)'} names no cluster`);
  }
  return found;
}

/** Those under way end by themselves. */
function retire(agent: http.Agent | undefined): void {
  if (!agent) return;
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<T>;
}
