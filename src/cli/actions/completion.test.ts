import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { run } from '../testing/command-line.ts';

const script = (await run('completion', 'bash')).stdout;

/** What bash offers for the last word. */
function offered(...words: string[]): string[] {
  const quoted = ['nodepool', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _nodepool; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

describe('completion', () => {
  it.each([
    [['image-b'], ['image-build']],
    [
      ['-c', 'some.yaml', 'dib-'],
      ['dib-image-list', 'dib-image-delete'],
    ],
    [['--debug', 'list', '--d'], ['--detail']],
    [
      ['list', '--format', ''],
      ['table', 'json', 'yaml'],
    ],
    [['image-delete', '--u'], ['--upload-id']],
    [['completion', 'b'], ['bash']],
    [['hold', '--provider', 'x'], []],
    [['-c', '/etc/host'], expect.arrayContaining(['/etc/hosts'])],
    [['export-image-data', '/etc/host'], expect.arrayContaining(['/etc/hosts'])],
  ])('of %j', (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  it('is loaded by zsh as a function of its own', async () => {
    const { stdout } = await run('completion', 'zsh');
    expect(stdout.split('\n')[0]).toBe('#compdef nodepool');
    expect(stdout).toContain('bashcompinit');
  });
});
