/** Entry of the `nodepool-builder` command. Image builds are not part of this version yet. */
import { Command } from 'commander';
import { run } from './run.ts';
import { UserError, usageStatus } from '../base/user-error.ts';
import { version } from '../program/version.ts';

const program = new Command('nodepool-builder')
  .description('Builds and uploads disk images: not yet in this version')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration')
  .option('-p, --pidfile <file>', 'pid file')
  .option('-d, --debug', 'log everything')
  .option('-f, --foreground', 'stay in the foreground')
  .option('--build-workers <n>', 'concurrent builds')
  .option('--upload-workers <n>', 'concurrent uploads')
  .version(`Nodepool version: ${version}`, '--version', 'print the version')
  .exitOverride();

await run('nodepool-builder', () => {
  program.parse();
  throw new UserError('not yet: this version builds no images; run the Python nodepool-builder beside it', usageStatus);
});
