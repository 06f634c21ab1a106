/** config-validate, config-schema, config-diff. */
import { type ConfigDifference, configDifference, describeDifference } from '../../config/difference.ts';
import { ConfigError, formatIssue } from '../../config/errors.ts';
import { configJsonSchema } from '../../config/json-schema.ts';
import { validate } from '../../config/load.ts';
import { isBroken } from '../../records/broken.ts';
import { systemRuntime } from '../../runtime.ts';
import { Store } from '../../store/store.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ZooKeeper } from '../../zookeeper/client/types.ts';
import { withZooKeeper } from '../connection.ts';
import { commandLog, type GlobalOptions, load } from '../context.ts';
import { driverDefinitions } from '../drivers.ts';
import type { Format } from '../output/table.ts';
import { UserError } from '../user-error.ts';

export function configValidate(o: GlobalOptions): number {
  try {
    const { warnings, refusals } = validate({
      path: o.config,
      securePath: o.secure,
      env: process.env,
      drivers: driverDefinitions,
    });
    for (const warning of warnings) console.error(`warning: ${formatIssue(warning)}`);
    // As the Python validator this one judges the form; what only the daemons find is told without failing.
    for (const refusal of refusals) console.error(`the daemons refuse this: ${formatIssue(refusal)}`);
    console.error(`${o.config}: the configuration is valid${refusals.length > 0 ? ' but cannot be used' : ''}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const issue of error.issues) console.error(formatIssue(issue));
    return 1;
  }
}

export function configSchema(): void {
  console.log(JSON.stringify(configJsonSchema(driverDefinitions), null, 2));
}

/** Exit status as of diff(1): 0 without a difference, 1 with one. */
export async function configDiff(o: GlobalOptions, other: string, format: Format): Promise<number> {
  const log = commandLog(o);
  const before = load(o, log);
  const difference = configDifference(before, load({ ...o, config: other }, log));
  const affected = await affectedNodes(o, difference);
  const lines = describeDifference(difference);
  if (format === 'json') console.log(JSON.stringify({ ...difference, affectedNodes: affected }, null, 2));
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
  o: GlobalOptions,
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
    return await withZooKeeper({ ...o, connectTimeout: Math.min(o.connectTimeout ?? 5, 5) }, (client, _config, log) =>
      count(client, log),
    );
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}
