/** Names given by an operator that become part of a path. */
import { UserError } from '../../base/user-error.ts';

/** Whatever ZooKeeper takes as one name: it must not lead to another place of the tree. */
export function nameInTree(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\p{Cc}]/u.test(name)) {
    throw new UserError(`${JSON.stringify(name)} can't be a name in ZooKeeper`);
  }
  return name;
}
