/** Runs a program's main function: expected errors as one clear message, others with their stack. */
import { ConfigError } from '../config/errors.ts';
import { ZooKeeperError } from '../zookeeper/client/errors.ts';
import { CoordinatorError } from '../zookeeper/server/data-directory.ts';
import { UserError } from './context.ts';

export async function run(main: () => Promise<number>): Promise<void> {
  let status: number;
  try {
    status = await main();
  } catch (error) {
    status = error instanceof UserError ? error.status : 1;
    const expected =
      error instanceof UserError ||
      error instanceof ConfigError ||
      error instanceof CoordinatorError ||
      error instanceof ZooKeeperError;
    console.error(expected ? `nodepool: ${error.message}` : error);
  }
  process.exit(status);
}
