/** The reference of the commands, made from the program's own declarations. */
import type { Argument, Command, Option } from 'commander';
import { commands as declarations } from '../../src/cli/commands.ts';
import { build } from '../../src/cli/program.ts';

export function commandsReference(): string {
  const program = build({ status: 0 });
  const { commands } = program;
  return `<!-- Made from the declarations in src/cli by \`npm run docs:reference\`. -->

# Commands

\`nodepool [options] <command>\`. The program's options come before the command, a command's own after it. Results go to
standard output, everything else to standard error.

| option | meaning |
|---|---|
${[...program.options.map(optionRow), '| `-h, --help` | help; after a command, for that command |'].join('\n')}

| status | when |
|---|---|
| 0 | it worked; also where a node, build or upload to be changed is not there or in use by a builder |
| 1 | it failed; \`config-validate\`: the configuration is refused; \`doctor\`: something is stuck; \`config-diff\`: there is a difference; no command was given |
| 2 | the command line is wrong |

\`request --exec\` ends with the status of what it has run.

| command | |
|---|---|
${commands.map((command) => `| [\`${command.name()}\`](#${command.name()}) | ${cell(command.description())} |`).join('\n')}

${commands.map(section).join('\n')}`;
}

function section(command: Command): string {
  const words = [command.name(), ...command.registeredArguments.map(argumentText)];
  if (command.options.length > 0) words.splice(1, 0, '[options]');
  const rows = command.options.map(optionRow);
  const table = rows.length > 0 ? `\n| option | meaning |\n|---|---|\n${rows.join('\n')}\n` : '';
  const lines = examplesOf(command).join('\n');
  return `## ${command.name()}

\`nodepool ${words.join(' ')}\`

${sentence(command.description())}
${table}
\`\`\`sh
${lines}
\`\`\`
`;
}

const examplesOf = (command: Command): readonly string[] =>
  declarations.find(({ name }) => name === command.name())?.examples ?? [];

function argumentText(argument: Argument): string {
  const name = argument.argChoices?.join('|') ?? argument.name();
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionRow(option: Option): string {
  const notes = [
    ...(option.argChoices ? [`one of ${option.argChoices.map((choice) => `\`${choice}\``).join(', ')}`] : []),
    ...(option.mandatory ? ['required'] : []),
    ...(isShown(option.defaultValue) ? [`default \`${String(option.defaultValue)}\``] : []),
  ];
  return `| \`${option.flags}\` | ${[cell(option.description), ...notes].join('; ')} |`;
}

const isShown = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

const sentence = (text: string): string => `${text[0]!.toUpperCase()}${cell(text.slice(1))}.`;
