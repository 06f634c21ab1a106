/** Applies each new configuration to a running daemon, with a word in the log about what has changed. */
import type { ZooKeeper } from '@nodepool/zookeeper';
import { configDifference, describeDifference } from '../../config/difference.ts';
import type { NodepoolConfig } from '../../config/model.ts';
import type { Log } from '../../telemetry/log/log.ts';
import type { ConfigSource } from './config-source.ts';

export interface ConfigReloadDeps {
  readonly source: ConfigSource;
  readonly client: ZooKeeper;
  readonly log: Log;
  readonly reload: (config: NodepoolConfig) => void;
}

/** `first` is what the daemon has started with: the files may have changed since. */
export function followConfiguration({ source, client, log, reload }: ConfigReloadDeps, first: NodepoolConfig): void {
  let applied = first;
  const apply = (next: NodepoolConfig) => {
    const difference = configDifference(applied, next);
    const changes = describeDifference(difference);
    if (difference.settings.includes('zookeeper-servers')) client.setServers(next.zookeeper.servers);
    applied = next;
    log.info({ changes }, changes.length > 0 ? 'The configuration has changed' : 'The configuration is as before');
    reload(next);
  };
  source.follow(apply);
  if (source.current !== applied) apply(source.current);
}
