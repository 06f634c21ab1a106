import { expect, test } from 'vitest';
import { encodeHealth, type HealthRecord, parseHealth, type TroubleRecord } from './health.ts';

const trouble: TroubleRecord = {
  key: 'k',
  severity: 'warning',
  what: 'a call hangs',
  why: 'no answer',
  hint: 'wait',
  since: 1700000000.5,
  figures: { calls: 2 },
};
const record: HealthRecord = {
  hostname: 'h',
  processId: 7,
  version: '1',
  written: 1700000001,
  troubles: [trouble],
  more: 0,
};

test('is read as it was written', () => {
  expect(parseHealth(encodeHealth(record))).toEqual(record);
});

test('stays small, and says what it leaves out', () => {
  const long = { ...trouble, why: 'x'.repeat(10_000) };
  const data = encodeHealth({ ...record, troubles: Array.from({ length: 80 }, () => long) });
  expect(data.length).toBeLessThan(60_000);
  const read = parseHealth(data)!;
  expect([read.troubles.length, read.more, read.troubles[0]!.why.length]).toEqual([50, 30, 300]);
});

test.each([
  ['nothing', ''],
  ['no JSON', '{"hostname'],
  ['a list', '[]'],
  ['too much', JSON.stringify({ hostname: 'x'.repeat(300_000) })],
])('%s is no document', (_name, text) => {
  expect(parseHealth(Buffer.from(text))).toBeNull();
});

test('what makes no sense in it is left out', () => {
  const odd = {
    hostname: 5,
    troubles: [
      null,
      'text',
      { severity: 'deadly', what: 'x' },
      { severity: 'critical' },
      { severity: 'critical', what: 'x', since: 'yesterday', figures: { a: 'b', c: 1 } },
    ],
    more: -5,
  };
  expect(parseHealth(Buffer.from(JSON.stringify(odd)))).toEqual({
    hostname: '',
    processId: 0,
    version: '',
    written: 0,
    troubles: [{ key: '', severity: 'critical', what: 'x', why: '', hint: '', since: 0, figures: { c: 1 } }],
    more: 0,
  });
});
