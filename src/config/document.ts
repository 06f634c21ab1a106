/** One file of the configuration while it is being judged: its values, and the findings with their places in it. */
import type { z } from 'zod';
import { type ConfigIssue, formatPath } from './yaml/errors.ts';
import { remarksOn } from './remarks.ts';
import { splitFindings } from './schema.ts';
import { readSource } from './yaml/source-text.ts';
import { parseYaml, type YamlSource } from './yaml/yaml.ts';

type Path = readonly PropertyKey[];

export class ConfigDocument {
  readonly value: unknown;
  readonly errors: ConfigIssue[] = [];
  readonly warnings: ConfigIssue[] = [];
  private readonly file: string;
  private readonly source: YamlSource;

  /** Throws a ConfigError for a file that can't be read or is no YAML. */
  constructor(file: string, env: Readonly<Record<string, string | undefined>>) {
    this.file = file;
    this.source = parseYaml(readSource(file, env), file);
    this.value = this.source.value;
  }

  issue(path: Path, message: string, what: 'key' | 'value' = 'value'): ConfigIssue {
    return { file: this.file, ...this.source.locate(path, what), path: formatPath(path), message };
  }

  error(path: Path, message: string): void {
    this.errors.push(this.issue(path, message));
  }

  /** What the schema makes of a value; null where `errors` got what is wrong with it. */
  parse<S extends z.ZodType>(schema: S, value: unknown, at: Path = []): z.output<S> | null {
    const result = schema.safeParse(value);
    for (const issue of result.error?.issues ?? []) this.errors.push(...this.issuesOf(issue, at));
    for (const { path, text, what } of remarksOn(schema, value, at)) this.warnings.push(this.issue(path, text, what));
    return result.success ? result.data : null;
  }

  private issuesOf(issue: z.core.$ZodIssue, at: Path): ConfigIssue[] {
    const path = [...at, ...issue.path];
    if (issue.code !== 'unrecognized_keys') return [this.issue(path, issue.message)];
    const messages = splitFindings(issue);
    return issue.keys.map((key, index) => this.issue([...path, key], messages[index] ?? issue.message, 'key'));
  }
}
