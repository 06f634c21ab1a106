/** Entry of the `nodepool-launcher` command, with the Python program's options. It stays in the foreground. */
import { Command, Option } from 'commander';
import type { DaemonOptions } from './daemon.ts';
import { run } from './run.ts';
import { version } from './version.ts';

const program = new Command('nodepool-launcher')
  .description('Launches and deletes nodes; stays in the foreground')
  .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
  .option('-s, --secure <file>', 'secure file')
  .option('-l, --logconfig <file>', 'logging configuration; its level is taken')
  .addOption(new Option('--log-format <format>', 'of log lines').choices(['human', 'json']).default('human'))
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
