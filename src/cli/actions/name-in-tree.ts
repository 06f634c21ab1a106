/** Checks names that an operator gives and that become part of a path. */
import { UserError } from '../../base/user-error.ts';

/** Refuses a name that ZooKeeper would not take as one name, because it could lead to another place of the tree. */
export function nameInTree(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\p{Cc}]/u.test(name)) {
    throw new UserError(`${JSON.stringify(name)} can't be a name in ZooKeeper`);
  }
  return name;
}
