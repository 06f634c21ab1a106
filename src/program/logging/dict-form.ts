/** Python's dictConfig form, written as YAML or JSON. */
import { isMap, isNode, isScalar, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { hint } from '../../config/suggest.ts';
import { type LoggingDocument, LoggingRefusal, type Section, type Value } from './document.ts';

const topKeys = [
  'version',
  'formatters',
  'handlers',
  'loggers',
  'root',
  'disable_existing_loggers',
  'filters',
  'incremental',
];

export function readDictForm(path: string, text: string): LoggingDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (node: unknown) => (isNode(node) && node.range ? lines.linePos(node.range[0]).line : 1);
  const refuse = (node: unknown, problem: string, hint: string) =>
    new LoggingRefusal(path, lineOf(node), problem, hint);

  const broken = document.errors[0];
  if (broken) {
    const { line } = lines.linePos(broken.pos[0]);
    throw new LoggingRefusal(path, line, `no YAML: ${broken.message}`, 'mend it there');
  }
  const top = document.contents as Node | null;
  if (!isMap(top)) throw refuse(top, 'the file holds no mapping', 'write `version: 1` and the sections of dictConfig');

  const keyOf = (pair: { key: unknown }) => String(isScalar(pair.key) ? pair.key.value : pair.key);
  const entries = (map: YAMLMap) => map.items.map((pair) => [keyOf(pair), pair.value, pair.key] as const);
  const section = (name: string, node: unknown): Section => {
    if (!isMap(node)) throw refuse(node, `${name} is no mapping`, 'write its keys below it');
    const fields = entries(node).map(([key, value, at]): [string, Value] => [
      key,
      { value: isNode(value) ? (value.toJS(document) as unknown) : value, line: lineOf(at) },
    ]);
    return { line: lineOf(node), fields: new Map(fields) };
  };
  const sections = (name: string): Map<string, Section> => {
    const node = top.get(name, true) as unknown;
    if (node === undefined || (isScalar(node) && node.value === null)) return new Map();
    if (!isMap(node)) throw refuse(node, `${name} is no mapping`, 'write a mapping of names');
    return new Map(entries(node).map(([key, value]) => [key, section(`${name}.${key}`, value)]));
  };

  for (const [key, value, at] of entries(top)) {
    const plain = isScalar(value) ? value.value : undefined;
    if (!topKeys.includes(key)) throw refuse(at, `unknown key ${key}${hint(key, topKeys)}`, 'take it out');
    if (key === 'version' && plain !== 1) throw refuse(at, 'only version 1 is known', 'write `version: 1`');
    if (key === 'incremental' && plain === true)
      throw refuse(at, 'there is nothing that an incremental configuration could change', 'take the key out');
    if (key === 'filters' && !(isMap(value) && value.items.length === 0))
      throw refuse(at, 'filters are Python code', 'take them out; levels of loggers and handlers are obeyed');
  }
  const root = top.get('root', true) as unknown;
  const loggers = sections('loggers');
  // dictConfig takes '' for the root as well.
  const unnamed = loggers.get('') ?? loggers.get('root') ?? null;
  loggers.delete('');
  loggers.delete('root');
  return {
    path,
    formatters: sections('formatters'),
    handlers: sections('handlers'),
    loggers,
    root: root === undefined ? unnamed : section('root', root),
  };
}
