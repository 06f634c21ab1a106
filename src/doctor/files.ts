/** Files of this machine: secrets that others may read, and a data directory that belongs to somebody else. */
import { type Stats, statSync } from 'node:fs';
import type { NodepoolConfig } from '../config/model.ts';
import type { Finding } from './finding.ts';

export type StatOf = (path: string) => Pick<Stats, 'mode' | 'uid'> | undefined;

const systemStat: StatOf = (path) => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A file that cannot even be looked at is closed enough.
    return undefined;
  }
};

export function fileFindings(
  securePath: string | undefined,
  config: NodepoolConfig,
  stat: StatOf = systemStat,
  uid = process.getuid?.(),
): Finding[] {
  const secrets: [string, string | undefined][] = [
    ['the secure file', securePath],
    ['zookeeper-tls.key', config.zookeeper.tls?.key],
    ['coordinator.tls.key', config.coordinator.tls?.key],
  ];
  const found = secrets.flatMap(([what, path]) => {
    const mode = path === undefined ? undefined : stat(path)?.mode;
    if (path === undefined || mode === undefined || (mode & 0o007) === 0) return [];
    return [finding(path, `${what} may be read by everybody on this machine`, `chmod o-rwx ${path}`)];
  });
  if (config.zookeeper.servers.length > 0) return found;
  const { dataDir } = config.coordinator;
  const data = stat(dataDir);
  if (data && uid !== undefined && uid !== 0 && data.uid !== uid) {
    found.push(
      finding(
        dataDir,
        `the data directory belongs to user ${data.uid}, and this is user ${uid}`,
        `run nodepool as user ${data.uid}`,
      ),
    );
  }
  if (data && (data.mode & 0o022) !== 0)
    found.push(finding(dataDir, 'others may write into the data directory', `chmod 0700 ${dataDir}`));
  return found;
}

function finding(subject: string, problem: string, hint: string): Finding {
  return { severity: 'warning', check: 'file-permissions', subject, problem, reasons: [], sinceMs: null, hint };
}
