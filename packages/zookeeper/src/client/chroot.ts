/** Paths as the user of a client sees them, and as the server knows them. */
import { pathProblem } from '../protocol/path.ts';
import { BadArgumentsError } from '../contract/errors.ts';

export class Chroot {
  private readonly root: string;

  /** '' or '/path'. Throws BadArgumentsError. */
  constructor(root: string) {
    const problem = root === '' ? null : pathProblem(root);
    if (problem !== null) throw new BadArgumentsError('bad-arguments', `chroot ${root}: ${problem}`);
    this.root = root;
  }

  /** Throws BadArgumentsError for what can't be a path of a znode. */
  check(path: string, sequential = false): void {
    const problem = pathProblem(path, sequential);
    if (problem !== null)
      throw new BadArgumentsError('bad-arguments', `path ${JSON.stringify(path)}: ${problem}`, { path });
  }

  full(path: string): string {
    if (this.root === '') return path;
    return path === '/' ? this.root : this.root + path;
  }

  strip(path: string): string {
    if (this.root === '' || !path.startsWith(this.root)) return path;
    return path.slice(this.root.length) || '/';
  }
}
