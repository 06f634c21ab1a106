/**
 * Reads a YAML file as PyYAML's safe loader does, with the place of every key and value. It knows nothing of configurations.
 * test/interop/config/yaml.test.ts lists what it reads otherwise than PyYAML.
 */
import { type Document, parseAllDocuments } from 'yaml';
import { ConfigError } from './errors.ts';
import { NodeReader } from './node-reader.ts';
import { checkCharacters, checkVersion } from './pyyaml-refusals.ts';
import { positions, type SourceText } from './source-text.ts';
import { dialect } from './yaml-dialect.ts';

export interface YamlSource {
  /** Plain maps, lists and scalars, with YamlFloat and YamlTimestamp for those types. */
  readonly value: unknown;
  /** Line and column (from 1) of a key or value, or of its nearest ancestor that exists. */
  locate(path: readonly PropertyKey[], what?: 'key' | 'value'): { line: number; column: number };
}

export function parseYaml(source: SourceText, file: string): YamlSource {
  const at = positions(source);
  const fail = (offset: number, message: string): never => {
    throw new ConfigError([{ file, ...at(offset), path: '', message: `YAML: ${message}` }]);
  };
  checkCharacters(source.text, fail);
  checkVersion(source.text, fail);
  const documents = parseAllDocuments(source.text, {
    version: '1.1',
    schema: 'failsafe',
    customTags: (known) => [...known, ...dialect, 'binary'],
    merge: false,
    uniqueKeys: false,
    logLevel: 'silent',
    prettyErrors: false,
  }) as Document.Parsed[];
  const [document, second] = documents;
  // Only the first fault is told: the others are mostly its consequences. The parser merely warns of an unknown tag.
  const faults = documents
    .flatMap((d) => [...d.errors, ...d.warnings.filter((w) => w.code === 'TAG_RESOLVE_FAILED')])
    .sort((a, b) => a.pos[0] - b.pos[0]);
  if (faults[0]) fail(faults[0].pos[0], wording(faults[0]));
  if (second) fail(second.range[0], 'the file holds more than one document');
  const reader = new NodeReader(document, fail);
  const value = document?.contents ? reader.read(document.contents) : null;
  return { value, locate: (path, what = 'value') => at(reader.offsetOf(value, path, what)) };
}

/** The parser's message in words for the author of a file, where it uses terms of its own. */
function wording({ code, message }: { readonly code: string; readonly message: string }): string {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'a second colon in one line, or a line that stands too far right: put values with a colon in quotes';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'a key must be on one line: a colon is missing before, or a line stands too far right';
    case 'BAD_INDENT':
      return 'a bracket is not closed, or something stands too far left or right';
    case 'BAD_SCALAR_START':
      return `${message}: put the value in quotes`;
    case 'TAG_RESOLVE_FAILED':
      return message.replace(/^Unresolved tag: (?:tag:yaml\.org,2002:)?/, 'unknown tag ');
    default:
      return message;
  }
}
