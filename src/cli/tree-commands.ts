/** The commands that copy a whole tree between the embedded coordinator, files and ensembles. */
import { type Command, InvalidArgumentError } from 'commander';
import { pathProblem } from '@nodepool/zookeeper';
import type { ExportOptions } from './commands/coordinator-export.ts';
import type { ImportOptions } from './commands/coordinator-import.ts';
import type { GlobalOptions } from '../program/context.ts';
import { formatOption } from './format-option.ts';

export function addTreeCommands(program: Command, globals: () => GlobalOptions, result: { status: number }): void {
  program
    .command('coordinator-export <file>')
    .description("write everything in the configuration's ZooKeeper that outlives sessions to a file")
    .option('--root <path>', 'only this subtree', pathOption, '/')
    .option('--allow-running', 'although launchers, builders or Zuul are registered')
    .addOption(formatOption())
    .action(async (file: string, o: ExportOptions) =>
      (await import('./commands/coordinator-export.ts')).coordinatorExport(globals(), file, o),
    );
  program
    .command('coordinator-import [file]')
    .description("put what a file or another ZooKeeper holds into the configuration's ZooKeeper")
    .option('--from-config <file>', 'copy from the ZooKeeper of that configuration, instead of a file')
    .option('--from-secure <file>', 'its secure file')
    .option('--root <path>', 'only this subtree', pathOption)
    .option('--dry-run', 'say what would be done; status 1 when it would be refused')
    .option('--compare', 'say what differs; status 1 when something does')
    .option('--merge', 'into a tree that holds other documents: keep what only it has, replace what differs')
    .option('--allow-running', 'although launchers, builders or Zuul are registered')
    .addOption(formatOption())
    .action(async (file: string | undefined, o: ImportOptions) => {
      const { coordinatorImport } = await import('./commands/coordinator-import.ts');
      result.status = await coordinatorImport(globals(), file, o);
    });
}

function pathOption(text: string): string {
  const problem = pathProblem(text);
  if (problem !== null) throw new InvalidArgumentError(`${problem}.`);
  return text;
}
