import { describe, expect, it } from 'vitest';
import { parseNode } from '../records/node.ts';
import { nodeColumns } from './columns.ts';
import { pythonJson } from './python-text.ts';
import { age, type Column, render } from './table.ts';

interface Row {
  readonly name: string | null;
  readonly list: readonly string[];
  readonly flag: boolean;
}

const columns: readonly Column<Row>[] = [
  { key: 'name', header: 'Name', cell: (row) => row.name },
  { key: 'list', header: 'A List', cell: (row) => row.list },
  { key: 'flag', header: 'Flag', cell: (row) => row.flag },
];

describe('render', () => {
  it('draws rules, a left-aligned header and rows', () => {
    const rows = [
      { name: 'a longer name', list: ['x', 'y'], flag: true },
      { name: null, list: [], flag: false },
    ];
    expect(render(columns, rows, 'table')).toBe(
      [
        '+---------------+--------+-------+',
        '| Name          | A List | Flag  |',
        '+---------------+--------+-------+',
        '| a longer name | x,y    | True  |',
        '|               |        | False |',
        '+---------------+--------+-------+',
      ].join('\n'),
    );
  });

  it('draws the last rule where there are no rows, too', () => {
    expect(render(columns, [], 'table').split('\n')).toEqual([
      '+------+--------+------+',
      '| Name | A List | Flag |',
      '+------+--------+------+',
      '+------+--------+------+',
    ]);
  });

  it('keeps a value on its line', () => {
    const table = render(columns, [{ name: 'a\nb\u001b[2J', list: [], flag: true }], 'table');
    expect(table.split('\n')).toHaveLength(5);
    expect(table).not.toContain('\u001b');
  });

  it('gives programs the keys and the types', () => {
    expect(JSON.parse(render(columns, [{ name: null, list: ['x'], flag: true }], 'json'))).toEqual([
      { name: null, list: ['x'], flag: true },
    ]);
  });
});

it.each([
  [0, '00:00:00:00'],
  [59, '00:00:00:59'],
  [86_399, '00:23:59:59'],
  [86_400 * 3 + 3600 * 4 + 60 * 5 + 6, '03:04:05:06'],
  [86_400 * 123, '123:00:00:00'],
  [-5, '00:00:00:00'],
])('an age of %i s is %s', (seconds, text) => {
  expect(age(1000, (1000 + seconds) * 1000)).toBe(text);
});

describe('the columns of nodes', () => {
  const row = (document: object) => {
    const node = parseNode('0000000001', Buffer.from(JSON.stringify({ state: 'ready', type: ['a'], ...document })));
    if (node.broken) throw new Error(node.message);
    return { node, locked: true };
  };

  it('are those that operators and scripts count', () => {
    expect(nodeColumns(false, 0).map((c) => c.header)).toEqual([
      'ID',
      'Provider',
      'Label',
      'Server ID',
      'Public IPv4',
      'IPv6',
      'State',
      'Age',
      'Locked',
    ]);
    expect(nodeColumns(true, 0)).toHaveLength(21);
  });

  it('show no credentials', () => {
    const text = render(nodeColumns(true, 0), [row({ connection_port: { token: 'hidden' } })], 'json');
    expect(text).not.toContain('hidden');
    expect(JSON.parse(text)).toMatchObject([{ connection_port: 'redacted', locked: 'locked' }]);
  });

  it.each(['22', ' -7 '])('show the port %j, a number written as text, as it is', (port) => {
    expect(JSON.parse(render(nodeColumns(true, 0), [row({ connection_port: port })], 'json'))).toMatchObject([
      { connection_port: port },
    ]);
  });

  it('show values of several parts as Python does, and to programs as they are', () => {
    const vm = { external_id: { vm: "o'x", ids: [1, true, null] }, user_data: ['a', 2] };
    const table = render(nodeColumns(true, 0), [row(vm)], 'table');
    expect(table).toContain(`| {'vm': "o'x", 'ids': [1, True, None]} |`);
    expect(table).toContain('| a,2 ');
    expect(JSON.parse(render(nodeColumns(true, 0), [row(vm)], 'json'))).toMatchObject([
      { server_id: vm.external_id, user_data: ['a', 2] },
    ]);
  });
});

it.each([
  [{ a: [1, 'b', null], c: true }, '{"a": [1, "b", null], "c": true}'],
  ['ä\u007f"\\\n😀', '"\\u00e4\\u007f\\"\\\\\\n\\ud83d\\ude00"'],
  [1.5, '1.5'],
])('JSON as Python writes it: %j', (value, text) => {
  expect(pythonJson(value)).toBe(text);
});
