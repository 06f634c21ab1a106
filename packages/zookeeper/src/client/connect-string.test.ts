import { describe, expect, test } from 'vitest';
import { parseConnectString } from './connect-string.ts';
import { BadArgumentsError } from '../contract/errors.ts';

describe('parseConnectString', () => {
  test.each([
    ['h1', [['h1', 2181]], ''],
    [
      'h1:1,h2:2',
      [
        ['h1', 1],
        ['h2', 2],
      ],
      '',
    ],
    [
      'h1:1,h2:2/np',
      [
        ['h1', 1],
        ['h2', 2],
      ],
      '/np',
    ],
    [
      'h1:1/np,h2:2/np',
      [
        ['h1', 1],
        ['h2', 2],
      ],
      '/np',
    ],
    [
      'h1:1/np/,h2',
      [
        ['h1', 1],
        ['h2', 2181],
      ],
      '/np',
    ],
    ['[::1]:9/x', [['::1', 9]], '/x'],
  ] as const)('%s', (text, servers, chroot) => {
    const parsed = parseConnectString(text);
    expect(parsed.servers.map((s) => [s.host, s.port])).toEqual(servers);
    expect(parsed.chroot).toBe(chroot);
  });

  test.each(['', 'h1,,h2', 'h1:x', 'h1:0', 'h1:70000', 'h1/a,h2/b', '::1'])('refuses %j', (text) => {
    expect(() => parseConnectString(text)).toThrow(BadArgumentsError);
  });
});
