import type { OwnErrorCode } from '../../base/error-codes.ts';

/** What is wrong with a configuration: every finding of a run, each with its place. */
export interface ConfigIssue {
  readonly file: string;
  /** Lines and columns count from 1. */
  readonly line: number;
  readonly column: number;
  /** `providers[0].pools[1].max-servers`; '' for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export class ConfigError extends Error {
  readonly code = 'config' satisfies OwnErrorCode;
  readonly issues: readonly ConfigIssue[];
  /** Warnings of the same run. */
  readonly warnings: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[], options?: ErrorOptions & { readonly warnings?: readonly ConfigIssue[] }) {
    super(issues.map(formatIssue).join('\n'), options);
    this.name = 'ConfigError';
    this.issues = issues;
    this.warnings = options?.warnings ?? [];
  }
}

export function formatIssue(issue: ConfigIssue): string {
  const where = issue.path === '' ? '' : `${issue.path}: `;
  return `${issue.file}:${issue.line}:${issue.column}: ${where}${issue.message}`;
}

/** Sorted by their places in the file. */
export const inOrder = (issues: readonly ConfigIssue[]): ConfigIssue[] =>
  [...issues].sort((a, b) => a.line - b.line || a.column - b.column);

export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
}
