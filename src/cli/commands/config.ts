/** config-validate, config-schema, config-diff. */
import { type ConfigDifference, configDifference, describeDifference } from '../../config/difference.ts';
import { ConfigError, type ConfigIssue, formatIssue } from '../../config/yaml/errors.ts';
import { configJsonSchema } from '../../config/json-schema.ts';
import { validate } from '../../config/load.ts';
import { isBroken } from '../../records/broken.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import type { Log } from '../../telemetry/log/log.ts';
import type { ZooKeeper } from '@nodepool/zookeeper';
import { withZooKeeper } from '../../program/connection.ts';
import { type GlobalOptions, load } from '../../program/context.ts';
import { driverDefinitions, notBuilt } from '../../drivers/catalogue.ts';
import { type OutputFormat, structured } from '../../listings/format.ts';
import { UserError } from '../../base/user-error.ts';

export function configValidate(o: GlobalOptions, strict: boolean): number {
  const { lines, status } = judgeConfig({ ...o, env: process.env, strict });
  for (const line of lines) console.error(line);
  return status;
}

interface JudgedConfig {
  readonly config: string;
  readonly secure?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly strict: boolean;
}

/**
 * As the Python validator this one judges the form: what only the daemons find is told without failing, unless the judge is
 * to be strict.
 */
export function judgeConfig(o: JudgedConfig): { readonly lines: string[]; readonly status: number } {
  try {
    const { config, warnings, refusals } = validate({
      path: o.config,
      securePath: o.secure,
      env: o.env,
      drivers: driverDefinitions,
    });
    const refused = refusals.length > 0;
    const butWarned = o.strict && warnings.length > 0 ? ', but --strict bears no warning' : '';
    return {
      lines: [
        ...warningLines(warnings),
        ...notBuilt(config).map((provider) => `note: ${provider}`),
        ...refusals.map((refusal) => `refused by the daemons: ${formatIssue(refusal)}`),
        `${o.config}: the configuration is valid${refused ? ', but the daemons refuse it' : butWarned}`,
      ],
      status: o.strict && (refused || warnings.length > 0) ? 1 : 0,
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { lines: [...warningLines(error.warnings), ...error.issues.map(formatIssue)], status: 1 };
  }
}

const warningLines = (warnings: readonly ConfigIssue[]) =>
  warnings.map((warning) => `warning: ${formatIssue(warning)}`);

export function configSchema(): void {
  console.log(JSON.stringify(configJsonSchema(driverDefinitions), null, 2));
}

/** Exit status as of diff(1): 0 without a difference, 1 with one. */
export async function configDiff(o: GlobalOptions, other: string, format: OutputFormat): Promise<number> {
  const difference = configDifference(load(o), load({ ...o, config: other }));
  const affected = await affectedNodes(o, difference);
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
