/**
 * Python's ConfigParser changes the values of a file before fileConfig sees them: values of `[DEFAULT]` hold in every section,
 * and `%(name)s` stands for another value. This does the same.
 */
import { LoggingRefusal, type Section, type Value } from './document.ts';

export type IniSections = ReadonlyMap<string, Section>;

/** The keys that fileConfig asks for. Other keys of `[DEFAULT]` are there to be taken in. */
const asked: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(?:loggers|handlers|formatters)$/, ['keys']],
  [/^logger_/, ['level', 'handlers', 'propagate', 'qualname']],
  [/^handler_/, ['class', 'level', 'formatter', 'args', 'kwargs']],
  [/^formatter_/, ['class', 'format', 'datefmt', 'style']],
];
/** Keys whose % signs belong to the lines of the log. */
const raw: ReadonlySet<string> = new Set(['format', 'datefmt', 'style']);
/** Values take in others this deep at most, as in Python. */
const deepest = 10;

/** Throws LoggingRefusal for what is no interpolation, or takes in what is not there. */
export function interpolated(path: string, sections: IniSections): IniSections {
  const defaults = sections.get('DEFAULT')?.fields ?? new Map<string, Value>();
  const done = new Map<string, Section>();
  for (const [name, { line, fields }] of sections) {
    const keys = asked.find(([pattern]) => pattern.test(name))?.[1];
    if (!keys) continue;
    const scope: Scope = { path, values: new Map([...defaults, ...fields]), taken: new Set() };
    const own = new Map<string, Value>();
    for (const key of keys) {
      const field = scope.values.get(key);
      if (field)
        own.set(key, raw.has(key) ? field : { ...field, value: expanded(scope, field, String(field.value), 1) });
    }
    // Other keys are mistakes, to be found later, unless some value takes them in.
    for (const [key, field] of fields) if (!keys.includes(key) && !scope.taken.has(key)) own.set(key, field);
    done.set(name, { line, fields: own });
  }
  return done;
}

interface Scope {
  readonly path: string;
  readonly values: ReadonlyMap<string, Value>;
  /** Keys that others have taken in. */
  readonly taken: Set<string>;
}

function expanded(scope: Scope, at: Value, text: string, depth: number): string {
  const refuse = (problem: string, hint: string) => new LoggingRefusal(scope.path, at.line, problem, hint);
  if (depth > deepest) throw refuse('values take each other in without end', 'take the circle out');
  return text.replaceAll(/%(?:%|\(([^)]+)\)s)?/g, (sign, name: string | undefined) => {
    if (sign === '%%') return '%';
    if (name === undefined) throw refuse(`"${text}" has a % that begins no %(name)s`, 'write %% for the sign itself');
    const key = name.toLowerCase();
    const value = scope.values.get(key);
    if (!value) throw refuse(`there is no ${name} to take in`, 'write it in the same section or in [DEFAULT]');
    scope.taken.add(key);
    return expanded(scope, at, String(value.value), depth + 1);
  });
}
