import { expect, test } from 'vitest';
import { isBroken } from './broken.ts';
import { parseRequest } from './request.ts';
import { spanInfoOf } from './span-info.ts';

function infoOf(requestorData: string) {
  const request = parseRequest('200-1', Buffer.from(`{"state": "requested", "requestor_data": ${requestorData}}`));
  if (isBroken(request)) throw new Error(request.message);
  return spanInfoOf(request);
}

test("ids of Zuul's documents are read to the last digit", () => {
  expect(
    infoOf(
      '{"job_name": "the-job", "span_info": {"name": "RequestNodes", "trace_id": 243758281276797397330304997386949176101, "span_id": 5453246484714244990, "trace_flags": 3, "start_time": 1795219800112188416, "parent": null}}',
    ),
  ).toEqual({
    traceId: BigInt('243758281276797397330304997386949176101').toString(16),
    spanId: BigInt('5453246484714244990').toString(16),
    flags: 3,
  });
  expect(infoOf('{"span_info": {"trace_id": 1, "span_id": 255}}')).toEqual({
    traceId: `${'0'.repeat(31)}1`,
    spanId: '00000000000000ff',
    flags: 0,
  });
});

test.each([
  'null',
  '"text"',
  '[]',
  '{}',
  '{"span_info": null}',
  '{"span_info": [1]}',
  '{"span_info": {"trace_id": 0, "span_id": 1}}',
  '{"span_info": {"trace_id": "abc", "span_id": 1}}',
  '{"span_info": {"trace_id": -5, "span_id": 1}}',
  '{"span_info": {"trace_id": 1.5, "span_id": 1}}',
  '{"span_info": {"trace_id": 1e30, "span_id": 1}}',
  '{"span_info": {"trace_id": 340282366920938463463374607431768211456, "span_id": 1}}',
  '{"span_info": {"trace_id": 1, "span_id": 18446744073709551616}}',
  `{"span_info": {"trace_id": 1${'0'.repeat(1000)}, "span_id": 1}}`,
  '{"span_info": {"trace_id": 1, "span_id": 1, "trace_flags": "x"}}',
])('nothing is continued from %s', (requestorData) => {
  expect(infoOf(requestorData)).toBeNull();
});
