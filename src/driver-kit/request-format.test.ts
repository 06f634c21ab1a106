import { expect, test } from 'vitest';
import type { RequestView } from './contract.ts';
import { formatRequest, formatRequestValues } from './request-format.ts';
import { MemoryLogger } from '@nodepool/zookeeper/internal/testing/virtual-runtime';

const request: RequestView = {
  id: '200-0000000001',
  labels: ['small', 'large'],
  requestor: 'zuul',
  requestorData: { build: { uuid: 'b-1' } },
  relativePriority: 3,
  eventId: null,
  createdTime: 12.5,
  tenantName: 'acme',
};

test.each([
  ['Tenant is {request.tenant_name}', 'Tenant is acme'],
  ['{request.id}/{request.relative_priority}/{request.created_time}', '200-0000000001/3/12.5'],
  ['{request.event_id}', 'None'],
  ['{request.labels}', "['small', 'large']"],
  ['{request.requestor_data[build][uuid]}', 'b-1'],
  ['{{literal}} and nothing', '{literal} and nothing'],
])('%s', (template, wanted) => {
  expect(formatRequest(template, request)).toBe(wanted);
});

test.each([
  '{request.secret}',
  '{other.id}',
  '{request.constructor}',
  '{request.requestor_data[none]}',
  '{',
  'a } b',
  '{}',
  '{request.labels[length]x}',
])('%s is left out and logged', (template) => {
  const log = new MemoryLogger();
  expect(formatRequestValues({ bad: template, good: '{request.requestor}' }, request, log)).toEqual({ good: 'zuul' });
  expect(log.of('warn').length).toBe(1);
});

test('without a request there are no such values', () => {
  expect(formatRequestValues({ a: '{request.id}' }, null, new MemoryLogger())).toEqual({});
});
