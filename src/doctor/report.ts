/** Shows findings as text or JSON. Words in them come from documents of anybody: none may steer a terminal or begin a line. */
import { age } from '../listings/table.ts';
import { type OutputFormat, structured } from '../listings/format.ts';
import { type Finding, isStuck, severities } from './finding.ts';

const longest = 500;
const mostReasons = 12;

function clean(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');
  return plain.length > longest ? `${plain.slice(0, longest - 1)}…` : plain;
}

function cleaned(finding: Finding): Finding {
  const { reasons, subject, problem, hint, check } = finding;
  const rest = reasons.length - mostReasons;
  const shown = reasons.slice(0, mostReasons).map(clean);
  return {
    ...finding,
    check: clean(check),
    subject: clean(subject),
    problem: clean(problem),
    hint: clean(hint),
    reasons: rest > 0 ? [...shown, `… and ${rest} more`] : shown,
  };
}

/** `sorted`: findings as sortFindings gives them. `seen`: what was looked at, in words. */
export function report(
  sorted: readonly Finding[],
  format: OutputFormat,
  { nowMs, seen }: { nowMs: number; seen: string },
): string {
  const findings = sorted.map(cleaned);
  if (format !== 'table') {
    return structured(
      {
        checked: new Date(nowMs).toISOString(),
        stuck: isStuck(findings),
        findings: findings.map(({ sinceMs, ...rest }) => ({ ...rest, since: iso(sinceMs) })),
      },
      format,
    );
  }
  const counts = severities.flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count > 0 ? [`${count} ${words[severity]}`] : [];
  });
  if (findings.length === 0) return `Nothing is wrong, as far as can be seen from here (${seen}).`;
  return [`${counts.join(', ')} (${seen})`, ...findings.map((finding) => paragraph(finding, nowMs))].join('\n\n');
}

const words = { critical: 'critical', warning: 'stuck or going wrong', info: 'worth knowing' } as const;

function paragraph({ severity, subject, problem, reasons, sinceMs, hint }: Finding, nowMs: number): string {
  const lines = [`${severity.toUpperCase()}  ${subject}: ${problem}`];
  const since = iso(sinceMs);
  if (sinceMs !== null && since !== null) lines.push(`  since  ${since} (${age(sinceMs / 1000, nowMs)})`);
  reasons.forEach((reason, index) => lines.push(`  ${index === 0 ? 'why  ' : '     '}  ${reason}`));
  lines.push(`  do     ${hint}`);
  return lines.join('\n');
}

/** null also for a time that no date can show: times of documents may be anything. */
function iso(ms: number | null): string | null {
  if (ms === null || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return null;
  return new Date(ms).toISOString();
}
