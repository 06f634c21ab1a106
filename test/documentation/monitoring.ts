/** The dashboard and the alert rules, read for tests. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const file = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const rulesFile = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.strictObject({ summary: z.string().max(120), description: z.string().min(40) }),
        }),
      ),
    }),
  ),
});

const panel = z.object({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  gridPos: z.object({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
  targets: z
    .array(
      z.object({
        expr: z.string(),
        legendFormat: z.string(),
        datasource: z.object({ uid: z.literal('${datasource}') }),
      }),
    )
    .default([]),
});

const dashboardFile = z.object({
  title: z.string(),
  uid: z.string(),
  schemaVersion: z.number().min(38),
  templating: z.object({
    list: z.array(z.object({ name: z.string(), type: z.string(), definition: z.string().optional() })),
  }),
  panels: z.array(panel),
});

export const rulesPath = 'contrib/prometheus/nodepool-alerts.yaml';
export const rules = rulesFile.parse(parse(file(rulesPath))).groups.flatMap((group) => group.rules);
export const dashboard = dashboardFile.parse(JSON.parse(file('contrib/grafana/nodepool.json')));
export const page = file('docs/monitoring.md');
export const commandsPage = file('docs/reference/commands.md');
