/**
 * Reads the values that Python's fileConfig evaluates, such as `args=('/var/log/x.log', 'midnight', 1, 30,)`. It knows literals
 * and the names of the standard streams, and evaluates nothing.
 */
import type { OwnErrorCode } from '../../base/error-codes.ts';

/** `sys.stdout` and `sys.stderr` come out as dictConfig names them. */
export function parsePython(text: string): unknown {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

export class PythonLiteralError extends Error {
  readonly code = 'python-literal' satisfies OwnErrorCode;

  constructor(message: string) {
    super(message);
    this.name = 'PythonLiteralError';
  }
}

const names: Readonly<Record<string, unknown>> = {
  None: null,
  True: true,
  False: false,
  'sys.stdout': 'ext://sys.stdout',
  'sys.stderr': 'ext://sys.stderr',
};

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' };

class Reader {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  value(): unknown {
    this.space();
    const char = this.text[this.at] ?? '';
    if (char === '(') return this.items(')');
    if (char === '[') return this.items(']');
    if (char === '{') return this.mapping();
    if (char === '"' || char === "'") return this.string(char);
    const word = /[\w.+-]+/y;
    word.lastIndex = this.at;
    const [found] = word.exec(this.text) ?? [];
    if (found === undefined) throw this.unknown();
    this.at += found.length;
    if (Object.hasOwn(names, found)) return names[found];
    const number = Number(found.replaceAll('_', ''));
    if (Number.isFinite(number)) return number;
    throw new PythonLiteralError(`${found} is Python code`);
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) throw this.unknown();
  }

  /** A tuple or list; brackets around a single value make no tuple, as in Python. */
  private items(close: string): unknown {
    const items: unknown[] = [];
    let commas = 0;
    this.at++;
    for (;;) {
      if (this.takes(close)) return close === ')' && commas === 0 && items.length === 1 ? items[0] : items;
      if (items.length > commas) throw this.unknown();
      items.push(this.value());
      if (this.takes(',')) commas++;
    }
  }

  private mapping(): unknown {
    const fields = Object.create(null) as Record<string, unknown>;
    this.at++;
    let wantsComma = false;
    for (;;) {
      if (this.takes('}')) return fields;
      if (wantsComma) throw this.unknown();
      const key = this.value();
      if (!this.takes(':')) throw this.unknown();
      fields[String(key)] = this.value();
      wantsComma = !this.takes(',');
    }
  }

  private string(quote: string): string {
    let value = '';
    for (this.at++; ; this.at++) {
      const char = this.text[this.at];
      if (char === undefined) throw new PythonLiteralError('a text is not closed');
      if (char === quote) break;
      if (char !== '\\') value += char;
      else {
        const next = this.text[++this.at] ?? '';
        value += Object.hasOwn(escapes, next) ? escapes[next]! : `\\${next}`;
      }
    }
    this.at++;
    return value;
  }

  private takes(char: string): boolean {
    this.space();
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
  }

  private unknown(): PythonLiteralError {
    return new PythonLiteralError(`not understood at "${this.text.slice(this.at, this.at + 20)}"`);
  }
}
