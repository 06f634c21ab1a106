/** How ZooKeeper is reached and where a launcher listens, out of the main file and the secure one. */
import type { ConfigDocument } from './document.ts';
import type { GlobalConfig, SecureConfig } from './global-schema.ts';
import type { ConfigIssue } from './yaml/errors.ts';

type Server = GlobalConfig['zookeeper-servers'][number];

/** The servers of the secure file take the place of those of the main file. */
export const serversOf = (raw: GlobalConfig, secrets: SecureConfig | null): readonly Server[] =>
  secrets?.['zookeeper-servers']?.length ? secrets['zookeeper-servers'] : raw['zookeeper-servers'];

export const tlsOf = (raw: GlobalConfig, secrets: SecureConfig | null) =>
  secrets?.['zookeeper-tls'] ?? raw['zookeeper-tls'];

export const chrootOf = (server: Server): string => (server.chroot ?? '').replace(/\/+$/, '');

/** What the daemons refuse: servers, certificates and times of ZooKeeper, ports of ours. */
export function checkConnections(
  raw: GlobalConfig,
  secrets: SecureConfig | null,
  main: ConfigDocument,
  secure: ConfigDocument | null,
  refusals: ConfigIssue[],
): void {
  const from = (given: unknown) => (given && secure ? secure : main);
  const port = (document: ConfigDocument, path: readonly PropertyKey[], value: number | undefined) => {
    if (value === undefined || (value >= 0 && value <= 65_535)) return;
    refusals.push(document.issue(path, `${value} is no port`));
  };
  const servers = serversOf(raw, secrets);
  const serverFile = from(secrets?.['zookeeper-servers']?.length);
  for (const [index, server] of servers.entries()) {
    const path = ['zookeeper-servers', index];
    if (server.host === undefined) refusals.push(serverFile.issue(path, 'host is required'));
    port(serverFile, [...path, 'port'], server.port);
  }
  const chroots = servers.map(chrootOf);
  if (new Set(chroots.filter(Boolean)).size > 1) {
    refusals.push(serverFile.issue(['zookeeper-servers'], 'the servers have different chroots'));
  } else if (chroots.slice(0, -1).some(Boolean)) {
    const message =
      'a chroot belongs to the last server only: the Python Nodepool takes all behind it for a part of it';
    serverFile.warnings.push(serverFile.issue(['zookeeper-servers'], message));
  }
  const tls = tlsOf(raw, secrets);
  const missing = tls ? (['cert', 'key', 'ca'] as const).filter((name) => tls[name] === undefined) : [];
  if (missing.length > 0) {
    const message = `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing: TLS takes cert, key and ca`;
    refusals.push(from(secrets?.['zookeeper-tls']).issue(['zookeeper-tls'], message));
  }
  if (!(raw['zookeeper-timeout'] > 0 && Number.isFinite(raw['zookeeper-timeout']))) {
    refusals.push(main.issue(['zookeeper-timeout'], 'must be more than 0 and finite'));
  }
  port(main, ['webapp', 'port'], raw.webapp.port);
  port(main, ['coordinator', 'port'], raw.coordinator?.port);
  port(main, ['coordinator', 'tls-port'], raw.coordinator?.['tls-port']);
}
