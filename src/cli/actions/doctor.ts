/** doctor: says in words what is stuck, since when and why. It works from the tree and the file alone and changes nothing. */
import { systemRuntime } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import { withConnection, ZooKeeperUnreachable } from '../../program/connection.ts';
import { commandLog, type GlobalOptions, load } from '../../program/context.ts';
import { fileFindings } from '../../doctor/files.ts';
import { type Finding, isStuck, sortFindings } from '../../doctor/finding.ts';
import { type Snapshot, readSnapshot } from '../../doctor/snapshot.ts';
import { report } from '../../doctor/report.ts';
import { treeFindings } from '../../doctor/rules.ts';
import { unreachable, zookeeperFindings } from '../../doctor/zookeeper.ts';
import type { OutputFormat } from '../../listings/format.ts';

export interface DoctorOptions {
  readonly format: OutputFormat;
  /** Nothing younger than this is a trouble yet. */
  readonly patienceMs: number;
}

/** Returns the status: 1 when something is stuck. */
export async function doctor(globals: GlobalOptions, { format, patienceMs }: DoctorOptions): Promise<number> {
  const nowMs = systemRuntime.nowMs();
  const print = (findings: readonly Finding[], seen: string) => {
    console.log(report(sortFindings(findings), format, { nowMs, seen }));
    return isStuck(findings) ? 1 : 0;
  };
  const log = commandLog(globals);
  const config = load(globals);
  // Findings about files come first: they may say why there is no connection.
  const files = fileFindings(globals.secure, config);
  try {
    return await withConnection(config, log, globals, async (client) => {
      // A document that cannot be read is a finding of its own, so the store need not warn of it.
      const quiet = { warn: () => undefined, error: log.error.bind(log) };
      const store = await Store.open({ client, runtime: systemRuntime, log: quiet });
      try {
        const snapshot = await readSnapshot(store, config, { nowMs: systemRuntime.nowMs(), patienceMs });
        const findings = [
          ...(await zookeeperFindings(client, config, systemRuntime)),
          ...(await treeFindings(snapshot)),
          ...files,
        ];
        return print(findings, summary(snapshot));
      } finally {
        await store.close();
      }
    });
  } catch (error) {
    if (!(error instanceof ZooKeeperUnreachable)) throw error;
    return print([unreachable(error.message), ...files], 'nothing could be looked at');
  }
}

function summary({ launchers, pools, nodes, requests }: Snapshot): string {
  return `${launchers.length} launchers, ${pools.length} pools, ${nodes.length} nodes, ${requests.length} requests`;
}
