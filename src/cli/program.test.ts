import { describe, expect, it } from 'vitest';
import { commands } from './commands.ts';
import { build } from './program.ts';
import { run } from './testing/command-line.ts';

describe('the command line', () => {
  it.each([
    ['nothing', []],
    ['options alone', ['-c', '/nowhere']],
  ])('prints its help on standard output for %s, with status 1', async (_what, argv) => {
    const { status, stdout, stderr } = await run(...argv);
    expect(status).toBe(1);
    expect(stdout).toContain('Usage: nodepool [options] [command]');
    expect(stderr).toBe('');
  });

  it('prints its version as the Python program does', async () => {
    const { status, stdout } = await run('--version');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Nodepool version: \d+\.\d+\.\d+\S*\n$/);
  });

  it.each([[['--help']], [['list', '--help']]])('helps with status 0: %s', async (argv) => {
    const { status, stdout } = await run(...argv);
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: nodepool');
  });

  it.each([
    [['no-such-command'], 'unknown command'],
    [['list', '--no-such-option'], 'unknown option'],
    [['list', '-c', 'x'], "unknown option '-c'"],
    [['list', '--format', 'xml'], 'Allowed choices are table, json, yaml'],
    [['delete'], "missing required argument 'id'"],
    [['info'], "missing required argument 'provider'"],
    [['image-delete', '--provider', 'p'], "required option '--image <name>'"],
    [['completion', 'fish'], 'Allowed choices are bash, zsh'],
    [['request'], "required option '-l, --label <label>' not specified"],
    [['request', '-l', 'a', '--priority', '7'], 'three digits'],
    [['request', '-l', 'a', '--timeout', 'soon'], 'a number of seconds'],
    [['fake-cloud', '--port', '70000'], 'a number up to 65535'],
  ])('usage error %j: says what, status 2', async (argv, message) => {
    const { status, stdout, stderr } = await run(...argv);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  it('has examples for every command, and each names one with options that it has', () => {
    const program = build({ status: 0 });
    expect(commands.map(({ name }) => name)).toEqual(program.commands.map((command) => command.name()));
    for (const { name, examples } of commands) {
      expect(examples, name).not.toEqual([]);
      for (const line of examples) {
        const [, ...words] = line.split(' ');
        const { operands, unknown } = program.parseOptions(words);
        expect(operands[0], line).toBe(name);
        const command = program.commands.find((one) => one.name() === name)!;
        expect(command.parseOptions([...operands.slice(1), ...unknown]).unknown, line).toEqual([]);
      }
    }
  });

  it('shows them in the help of the command', async () => {
    expect((await run('erase', '--help')).stdout).toContain('Examples:\n  nodepool erase cloud1\n');
  });

  it('prints the JSON Schema of the configuration', async () => {
    const { status, stdout } = await run('config-schema');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty('properties.zookeeper-servers');
  });
});
