/** The launcher as a daemon, for `nodepool launcher` and `nodepool-launcher`. */
import { daemonLog, type GlobalOptions, load } from './context.ts';
import { runLauncher } from './daemon.ts';

export async function launcher(o: GlobalOptions): Promise<void> {
  const log = daemonLog(o);
  await runLauncher(load(o, log), log, null);
}
