/** The `nodepool` program: its own options, and the commands as they declare themselves. */
import { Command } from 'commander';
import type { GlobalOptions } from '../program/context.ts';
import { logFormatOption, logLevelOption } from '../program/logging/options.ts';
import { version } from '../program/version.ts';
import { commands } from './commands.ts';
import { positiveSeconds } from './commands/option-values.ts';
import { statusOf } from './run.ts';

/** Runs a command line (without the program's name) and returns its status. Options of the program come before the command. */
export function nodepool(argv: readonly string[]): Promise<number> {
  return statusOf('nodepool', async () => {
    const result = { status: 0 };
    const program = build(result);
    const { operands, unknown } = program.parseOptions([...argv]);
    if (operands.length === 0 && unknown.length === 0) {
      console.log(program.helpInformation().trimEnd());
      return 1;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return result.status;
  });
}

/** The program with its commands; `result` gets the status of the command that is run. */
export function build(result: { status: number }): Command {
  const program = new Command('nodepool')
    .description('Launches, keeps and hands out single-use test nodes')
    .option('-c, --config <file>', 'configuration', '/etc/nodepool/nodepool.yaml')
    .option('-s, --secure <file>', 'secure file')
    .option('-l, --logconfig <file>', 'logging configuration, as the Python programs take it')
    .option('--debug', 'log everything')
    .addOption(logFormatOption())
    .addOption(logLevelOption())
    .option('--connect-timeout <seconds>', 'how long a command tries to reach ZooKeeper (default: 30)', positiveSeconds)
    .version(`Nodepool version: ${version}`, '--version', 'print the version')
    .enablePositionalOptions()
    .exitOverride();
  const context = {
    globals: () => program.opts<GlobalOptions>(),
    exitWith: (status: number) => {
      result.status = status;
    },
  };
  for (const { name, description, examples, declare } of commands) {
    const command = program.command(name).description(description);
    declare(command, context);
    command.addHelpText('after', ['', 'Examples:', ...examples.map((example) => `  ${example}`)].join('\n'));
  }
  return program;
}
