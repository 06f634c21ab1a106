/** Makes the typed configuration out of what the schema gives, in the units of the program. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { chrootOf, serversOf, tlsOf } from './connections.ts';
import type { GlobalConfig, SecureConfig } from './global-schema.ts';
import type { Resources } from '../base/resources.ts';
import type { DiskImageConfig, LabelConfig, NodepoolConfig, ProviderConfig, TlsFiles } from './model.ts';

export function assemble(
  raw: GlobalConfig,
  secrets: SecureConfig | null,
  labels: Map<string, LabelConfig>,
  diskimages: Map<string, DiskImageConfig>,
  providers: Map<string, ProviderConfig>,
): NodepoolConfig {
  const { coordinator } = raw;
  const servers = serversOf(raw, secrets);
  return {
    zookeeper: {
      servers: servers.map((s) => ({ host: s.host ?? '', port: s.port })),
      chroot: servers.map(chrootOf).find(Boolean) ?? '',
      tls: tlsFiles(tlsOf(raw, secrets)),
      sessionTimeoutMs: raw['zookeeper-timeout'] * 1000,
    },
    coordinator: {
      dataDir: coordinator?.['data-dir'] ?? defaultDataDir(),
      listen: coordinator?.listen ?? '127.0.0.1',
      port: coordinator?.port ?? null,
      tlsPort: coordinator?.['tls-port'] ?? null,
      tls: tlsFiles(coordinator?.tls),
    },
    webapp: { port: raw.webapp.port, listenAddress: raw.webapp.listen_address },
    labels,
    diskimages,
    providers,
    tenantLimits: new Map(
      raw['tenant-resource-limits'].map((limit) => [limit['tenant-name'] ?? '', tenantLimit(limit)]),
    ),
    maxHoldAgeMs: Math.max(0, raw['max-hold-age']) * 1000,
  };
}

export function labelConfig(l: GlobalConfig['labels'][number]): LabelConfig {
  return {
    name: l.name,
    minReady: Math.max(0, l['min-ready']),
    maxReadyAgeMs: Math.max(0, l['max-ready-age']) * 1000,
  };
}

const limitNames: ReadonlyMap<string, string> = new Map([
  ['max-cores', 'cores'],
  ['max-servers', 'instances'],
  ['max-ram', 'ram'],
  ['max-volumes', 'volumes'],
  ['max-volume-gb', 'volume-gb'],
]);

function tenantLimit(limit: Record<string, unknown>): Resources {
  const entries = Object.entries(limit).filter(([key, value]) => key !== 'tenant-name' && value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [limitNames.get(key) ?? key, Number(value)]));
}

function tlsFiles(tls: { [K in keyof TlsFiles]?: string | undefined } | null | undefined): TlsFiles | null {
  return tls?.cert !== undefined && tls.key !== undefined && tls.ca !== undefined
    ? { cert: tls.cert, key: tls.key, ca: tls.ca }
    : null;
}

function defaultDataDir(): string {
  const state = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  return join(state, 'nodepool', 'coordinator');
}
