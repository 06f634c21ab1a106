/** Writes a tree to a file. */
import type { ExportOptions } from '../actions/coordinator-export.ts';
import type { CommandDeclaration } from './declaration.ts';
import { formatOption, znodePath } from './option-values.ts';

export const coordinatorExportCommand: CommandDeclaration = {
  name: 'coordinator-export',
  description: "write everything in the configuration's ZooKeeper that outlives sessions to a file",
  examples: ['nodepool -c embedded.yaml coordinator-export /var/backups/nodepool-tree.jsonl'],
  declare: (command, { globals }) =>
    command
      .argument('<file>')
      .option('--root <path>', 'only this subtree', znodePath, '/')
      .option('--allow-running', 'although launchers, builders or Zuul are registered')
      .addOption(formatOption())
      .action(async (file: string, options: ExportOptions) =>
        (await import('../actions/coordinator-export.ts')).coordinatorExport(globals(), file, options),
      ),
};
