/** doctor: says in words what is stuck, since when and why. Works from the tree and the file alone; changes nothing. */
import { systemRuntime } from '../../base/runtime.ts';
import { Store } from '../../store/mirrors/store.ts';
import { withConnection, ZooKeeperUnreachable } from '../../program/connection.ts';
import { commandLog, type GlobalOptions, load } from '../../program/context.ts';
import { clockFindings } from '../../doctor/clocks.ts';
import { fileFindings } from '../../doctor/files.ts';
import { type Finding, isStuck, sortFindings } from '../../doctor/finding.ts';
import { launcherFindings, statedFindings } from '../../doctor/launchers.ts';
import { brokenFindings, nodeFindings } from '../../doctor/nodes.ts';
import { type Picture, readPicture } from '../../doctor/picture.ts';
import { report } from '../../doctor/report.ts';
import { requestFindings, strayLockFindings } from '../../doctor/requests.ts';
import { unreachable, zookeeperFindings } from '../../doctor/zookeeper.ts';
import type { OutputFormat } from '../../listings/format.ts';

export interface DoctorOptions {
  readonly format: OutputFormat;
  /** What is younger than this waits as it should. */
  readonly patienceMs: number;
}

/** Status 1 when something is stuck. */
export async function doctor(globals: GlobalOptions, { format, patienceMs }: DoctorOptions): Promise<number> {
  const nowMs = systemRuntime.nowMs();
  const print = (findings: readonly Finding[], seen: string) => {
    console.log(report(sortFindings(findings), format, { nowMs, seen }));
    return isStuck(findings) ? 1 : 0;
  };
  const log = commandLog(globals);
  const config = load(globals);
  // They may be why there is no connection.
  const files = fileFindings(globals.secure, config);
  try {
    return await withConnection(config, log, globals, async (client) => {
      // What cannot be read is a finding of its own.
      const quiet = { warn: () => undefined, error: log.error.bind(log) };
      const store = await Store.open({ client, runtime: systemRuntime, log: quiet });
      try {
        const picture = await readPicture(store, config, { nowMs: systemRuntime.nowMs(), patienceMs });
        const findings = [
          ...(await zookeeperFindings(client, config, systemRuntime)),
          ...launcherFindings(picture),
          ...statedFindings(picture),
          ...requestFindings(picture),
          ...strayLockFindings(picture),
          ...(await nodeFindings(picture)),
          ...brokenFindings(picture),
          ...clockFindings(picture),
          ...files,
        ];
        return print(findings, summary(picture));
      } finally {
        await store.close();
      }
    });
  } catch (error) {
    if (!(error instanceof ZooKeeperUnreachable)) throw error;
    return print([unreachable(error.message), ...files], 'nothing could be looked at');
  }
}

function summary({ launchers, pools, nodes, requests }: Picture): string {
  return `${launchers.length} launchers, ${pools.length} pools, ${nodes.length} nodes, ${requests.length} requests`;
}
