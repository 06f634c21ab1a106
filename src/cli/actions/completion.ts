/** completion: a script that completes commands, options and their values, made of the program's own declarations. */
import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(program: Command, shell: Shell): string {
  const script = bashScript(program);
  // zsh can run completion scripts of bash.
  return shell === 'bash' ? script : `#compdef nodepool\nautoload -Uz bashcompinit && bashcompinit\n${script}`;
}

function bashScript(program: Command): string {
  const commands = program.commands.map((command) => command.name());
  const optionsOf = (command: Command) => [
    ...command.options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag != null),
    '--help',
  ];
  const valued = program.options.filter(({ required }) => required).flatMap(({ short, long }) => [short, long]);
  return `_nodepool() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${valued.filter((flag) => flag != null).join('|')}) ((index++)) ;;
      -*) ;;
      *) command=\${COMP_WORDS[index]}; break ;;
    esac
  done
  COMPREPLY=()
  case "$command $previous" in
${[['', program] as const, ...program.commands.map((command) => [command.name(), command] as const)]
  .flatMap(([name, command]) => command.options.flatMap((option) => valueCase(name, option)))
  .join('\n')}
  esac
  case $command in
    '') COMPREPLY=($(compgen -W '${[...commands, 'help', ...optionsOf(program)].join(' ')}' -- "$word")) ;;
${program.commands.map((command) => commandCase(command, optionsOf(command))).join('\n')}
  esac
}
complete -F _nodepool nodepool`;
}

/** The completion of an option's value: one of its choices, a file, or nothing where only the user knows it. */
function valueCase(command: string, option: Option): string[] {
  if (!option.required && !option.optional) return [];
  const flags = [option.short, option.long].filter((flag) => flag != null).map((flag) => `'${command} ${flag}'`);
  const reply = option.argChoices
    ? `COMPREPLY=($(compgen -W '${option.argChoices.join(' ')}' -- "$word")); return`
    : takesFile(option.flags)
      ? 'COMPREPLY=($(compgen -f -- "$word")); return'
      : 'return';
  return [`    ${flags.join('|')}) ${reply} ;;`];
}

function commandCase(command: Command, options: readonly string[]): string {
  const words = [...options, ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])];
  const files = command.registeredArguments.some((argument) => takesFile(`<${argument.name()}>`));
  return `    ${command.name()}) COMPREPLY=($(compgen ${files ? '-f ' : ''}-W '${words.join(' ')}' -- "$word")) ;;`;
}

const takesFile = (text: string): boolean => /<(file|path|directory)>/.test(text);
