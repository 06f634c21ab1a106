/** What the fake cloud's HTTP interface carries; both sides check what they get. */
import { z } from 'zod';

const amount = z.number().min(0).max(1e12);
const text = z.string().max(1024);

const metadata = z.record(text, text).refine((m) => Object.keys(m).length <= 256, 'too many entries');

export const serverSpec = z.strictObject({
  name: text,
  metadata,
  securityGroups: z.array(text).max(256),
  zone: text,
  resources: z.record(text, amount).refine((r) => Object.keys(r).length <= 64, 'too many entries'),
  token: text,
});

const count = z.number().int().min(0);

export const faults = z
  .strictObject({
    createFailures: count,
    createFailuresWithId: count,
    createTimeouts: count,
    createBroken: count,
    deleteFailures: count,
    failureRate: z.number().min(0).max(1),
    hang: z.boolean().describe('answers nothing while true'),
    slowMs: amount.describe('each answer comes so much later'),
    throttle: count.describe('the next so many calls are answered "too many calls"'),
    refuse: count.describe('the next so many calls are answered "unavailable"'),
    loseCreateAnswers: count.describe(
      'the next so many servers are created, but the connection breaks before the answer',
    ),
    loseDeleteAnswers: count,
  })
  .partial();

export const settings = z
  .strictObject({
    quota: z.record(text, amount),
    capacity: count.nullable(),
    zones: z.array(text).max(256),
    images: z.array(z.union([text, z.strictObject({ name: text, metadata })])).max(1000),
    bootDelayMs: amount,
    deleteDelayMs: amount,
    faults,
  })
  .partial();

export const created = z.object({ id: text, activeInMs: z.number().nullable() });

export const look = z.discriminatedUnion('state', [
  z.object({ state: z.literal('active') }),
  z.object({ state: z.literal('building'), inMs: z.number().nullable() }),
  z.object({ state: z.literal('broken') }),
  z.object({ state: z.literal('gone') }),
]);

export const serverList = z.array(
  serverSpec.extend({ id: text, status: z.enum(['BUILD', 'ACTIVE', 'ERROR', 'DELETED']) }),
);

export const imageList = z.array(z.object({ id: text, name: text, metadata }));

export const goneIn = z.object({ goneInMs: z.number() });

export const problem = z.object({
  error: z.object({
    kind: z.enum(['quota', 'capacity', 'bad-request', 'failure', 'not-found', 'throttled', 'unavailable']),
    message: text,
    serverId: text.nullable(),
  }),
});

export type Problem = z.infer<typeof problem>['error'];
