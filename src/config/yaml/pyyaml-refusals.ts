/** What PyYAML refuses in the text of a file and the parser used here takes. */
import { Lexer } from 'yaml';

/** Throws, with what is wrong at an offset of the text. */
export type Fail = (offset: number, message: string) => never;

/** Fails for characters that PyYAML refuses before or while it scans. */
export function checkCharacters(text: string, fail: Fail): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/.exec(text);
  if (control) {
    const code = control[0].charCodeAt(0).toString(16).padStart(4, '0');
    fail(control.index, `the control character U+${code} is not allowed`);
  }
  const lineBreak = /[\u0085\u2028\u2029]/.exec(text);
  if (lineBreak) {
    const code = lineBreak[0].charCodeAt(0).toString(16).padStart(4, '0');
    fail(lineBreak.index, `the character U+${code} ends a line in YAML 1.1, use a line feed`);
  }
  let offset = 0;
  let kind: 'token' | 'plain' | 'block' = 'token';
  let afterHeader = false;
  for (const token of new Lexer().lex(text)) {
    if (token === lexerMarks.scalar) {
      kind = afterHeader ? 'block' : 'plain';
      continue;
    }
    const tab = kind === 'plain' || /^[ \t]+$/.test(token) ? token.indexOf('\t') : -1;
    if (tab >= 0) fail(offset + tab, 'a tab can neither indent nor separate, use blanks');
    afterHeader = kind === 'token' && (/^[|>]/.test(token) || (afterHeader && /^(?:[ \t]|#|\r?\n)/.test(token)));
    kind = 'token';
    if (token !== lexerMarks.document && token !== lexerMarks.flowEnd) offset += token.length;
  }
}

/** Fails for a directive before the document that names another version. */
export function checkVersion(text: string, fail: Fail): void {
  const directives = /^(?:(?:[ \t]*(?:#.*)?|%.*)\r?\n)*/.exec(text)?.[0] ?? '';
  const version = /^%YAML[ \t]+(\d+)\./m.exec(directives);
  if (version && version[1] !== '1') fail(version.index, 'only version 1 of YAML is known');
}

/** Tokens of the lexer that are no part of the text. */
const lexerMarks = { document: '\u0002', flowEnd: '\u0018', scalar: '\u001f' } as const;
