/** config-diff: what a reload would change, and which nodes it would concern. */
import { type ConfigDifference, configDifference, describeDifference } from '../../config/difference.ts';
import { isBroken } from '../../records/broken.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { Log } from '../../telemetry/log/log.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import { type GlobalOptions, load } from '../../program/context.ts';
import { type OutputFormat, structured } from '../../listings/format.ts';
import { UserError } from '../../base/user-error.ts';

/** Returns the status, as diff(1) does: 0 without a difference, 1 with one. */
export async function configDiff(globals: GlobalOptions, other: string, format: OutputFormat): Promise<number> {
  const difference = configDifference(load(globals), load({ ...globals, config: other }));
  const affected = await affectedNodes(globals, difference);
  const lines = describeDifference(difference);
  if (format !== 'table') console.log(structured({ ...difference, affectedNodes: affected }, format));
  else if (lines.length === 0) console.log('A reload would change nothing.');
  else {
    for (const line of lines) console.log(line);
    for (const [provider, states] of Object.entries(affected ?? {})) {
      const counts = Object.entries(states).map(([state, count]) => `${count} ${state}`);
      console.log(`nodes of provider ${provider}: ${counts.join(', ') || 'none'}`);
    }
    if (affected === null) console.log('nodes affected: not known, ZooKeeper cannot be reached');
  }
  return lines.length === 0 ? 0 : 1;
}

/** Nodes of replaced and removed providers by state; null when the tree cannot be read. */
async function affectedNodes(
  globals: GlobalOptions,
  difference: ConfigDifference,
): Promise<Record<string, Record<string, number>> | null> {
  const names = [...difference.providers.changed, ...difference.providers.removed];
  if (names.length === 0) return {};
  const count = async (client: ZooKeeper, log: Log) => {
    const store = await Store.open({ client, runtime: systemRuntime, log });
    const byProvider: Record<string, Record<string, number>> = {};
    for (const name of names) {
      const states: Record<string, number> = {};
      for (const id of store.nodes.byProvider(name)) {
        const node = store.nodes.get(id)?.node;
        const state = !node || isBroken(node) ? 'unreadable' : node.state;
        states[state] = (states[state] ?? 0) + 1;
      }
      byProvider[name] = states;
    }
    await store.close();
    return byProvider;
  };
  try {
    return await withZooKeeper(
      { ...globals, connectTimeout: Math.min(globals.connectTimeout ?? 5, 5) },
      (client, _config, log) => count(client, log),
    );
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}
