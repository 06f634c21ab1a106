/** Says what is stuck. */
import type { CommandDeclaration } from './declaration.ts';
import { type Formatted, formatOption, positiveMinutes } from './option-values.ts';

export const doctorCommand: CommandDeclaration = {
  name: 'doctor',
  description: 'say what is stuck, since when, why, and what to do; status 1 when something is',
  examples: ['nodepool doctor', 'nodepool doctor --older-than 30 --format json'],
  declare: (command, { globals, exitWith }) =>
    command
      .option('--older-than <minutes>', 'what has waited for less is left out', positiveMinutes, 5)
      .addOption(formatOption())
      .action(async ({ olderThan, format }: Formatted & { olderThan: number }) => {
        const { doctor } = await import('../actions/doctor.ts');
        exitWith(await doctor(globals(), { format, patienceMs: olderThan * 60_000 }));
      }),
};
