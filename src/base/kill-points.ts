/**
 * Named points in the life of a request at which a test can end the process as `kill -9` would. Without
 * NODEPOOL_TEST_KILL_POINT they cost one comparison.
 */
const wanted = process.env['NODEPOOL_TEST_KILL_POINT'];

export type KillPoint =
  | 'before-accept'
  | 'after-accept'
  | 'before-lock'
  | 'after-building'
  | 'before-create'
  | 'before-external-id'
  | 'after-external-id'
  | 'after-boot'
  | 'after-scan'
  | 'before-ready'
  | 'after-ready'
  | 'before-fulfil'
  | 'after-fulfil'
  | 'before-start-deleting'
  | 'after-deleting-written'
  | 'after-cloud-delete'
  | 'before-node-removed'
  | 'after-node-removed'
  | 'before-reuse'
  | 'after-reuse-lock'
  | 'before-decline'
  | 'after-decline';

export function killPoint(name: KillPoint): void {
  if (wanted === name) process.kill(process.pid, 'SIGKILL');
}
