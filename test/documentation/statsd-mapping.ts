/**
 * The mapping for statsd_exporter, read as its documentation says: which rule takes a statsd metric, and what becomes of it.
 * Only what the mapping uses is known here: regular expressions and references to their groups.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const metricName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
/** Not `__name__` and the like, which are Prometheus's own. */
const labelName = z.string().regex(/^(?!__)[a-zA-Z_][a-zA-Z0-9_]+$/);
/** What Go's regular expressions do not know: looking ahead or behind, and references back. */
const goPattern = z.string().regex(/^\^(?!.*(\(\?[=!<]|\\\d)).*\$$/);

const mappingFile = z.strictObject({
  defaults: z.strictObject({
    match_type: z.literal('regex'),
    observer_type: z.literal('histogram'),
    histogram_options: z.strictObject({ buckets: z.array(z.number()) }),
  }),
  mappings: z.array(
    z.strictObject({
      match: goPattern,
      match_metric_type: z.enum(['counter', 'gauge', 'observer']),
      name: metricName,
      help: z.string(),
      labels: z.record(labelName, z.string().regex(/^\$\d$/)),
      ttl: z
        .string()
        .regex(/^\d+[smh]$/)
        .optional(),
    }),
  ),
});

export type StatsdType = 'counter' | 'gauge' | 'observer';
export type Mapping = z.infer<typeof mappingFile>['mappings'][number];

export interface Mapped {
  readonly mapping: Mapping;
  readonly labels: Readonly<Record<string, string>>;
}

export const readMapping = (text: string) => mappingFile.parse(parse(text));
export const mappingPath = 'contrib/prometheus/statsd-mapping.yaml';
export const mapping = readMapping(readFileSync(new URL(`../../${mappingPath}`, import.meta.url), 'utf8'));

/** What every rule that takes the metric makes of it; statsd_exporter obeys the first. */
export function mapped(mappings: readonly Mapping[], type: StatsdType, name: string): Mapped[] {
  return mappings.flatMap((one) => {
    const groups = new RegExp(one.match).exec(name);
    if (!groups || one.match_metric_type !== type) return [];
    const labels = Object.entries(one.labels).map(([label, group]) => [label, groups[Number(group.slice(1))] ?? '']);
    return [{ mapping: one, labels: Object.fromEntries(labels) as Record<string, string> }];
  });
}

/** The series' names that Prometheus sees of it. */
export const seriesOf = ({ match_metric_type: type, name }: Mapping): string[] =>
  type === 'observer' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name];
