/** Entry of the `nodepool-launcher` command, with the Python program's options. It stays in the foreground. */
import { Command } from 'commander';
import type { DaemonOptions } from './daemon.ts';
import { logFormatOption, logLevelOption } from './logging/options.ts';
import { run } from './run.ts';
import { version } from './version.ts';

const program = new Command('nodepool-launcher')
  .description('Launches and deletes nodes; stays in the foreground')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration, as the Python programs take it')
  .addOption(logFormatOption())
  .addOption(logLevelOption())
  .option('-p, --pidfile <file>', 'not written: the program does not leave the foreground')
  .option('-d, --debug', 'log everything')
  .option('-f, --foreground', 'as always')
  .option('--no-webapp', 'no status server')
  .version(`Nodepool version: ${version}`, '--version', 'print the version')
  .exitOverride();

await run('nodepool-launcher', async () => {
  program.parse();
  await (await import('./daemon.ts')).launcher(program.opts<DaemonOptions>());
  return 0;
});
