import { expect, test } from 'vitest';
import { launchSpec } from '../../driver-kit/testing/configs.ts';
import { hasStatus, refusal } from './api-error.ts';
import { attemptName, podPlaces } from './attempt-names.ts';
import { descriptionOf, ownMetadata } from './metadata.ts';
import { readObject } from './objects.ts';
import { podCondition } from './pod-status.ts';

const pod = (status: object, more: object = {}) =>
  podCondition(readObject({ metadata: { name: 'p', ...more }, spec: { nodeName: 'worker-1' }, status }));
const waiting = (reason: string, message = '') => ({
  phase: 'Pending',
  containerStatuses: [{ state: { waiting: { reason, message } } }],
});

test('a pod runs, may still run, or never will', () => {
  expect(pod({ phase: 'Running' })).toEqual({ kind: 'running', machine: 'worker-1' });
  expect(pod({ phase: 'Running' }, { deletionTimestamp: '2026-01-01T00:00:00Z' })).toMatchObject({ kind: 'failed' });
  expect(pod({})).toEqual({ kind: 'pending', why: 'its phase is Pending', unschedulable: false });
  expect(pod(waiting('ContainerCreating'))).toMatchObject({ kind: 'pending', why: 'its phase is Pending' });
  expect(pod(waiting('ImagePullBackOff', 'back-off'))).toMatchObject({
    kind: 'pending',
    why: 'ImagePullBackOff: back-off',
  });
  expect(pod(waiting('InvalidImageName'))).toEqual({ kind: 'failed', why: 'InvalidImageName' });
  expect(pod({ phase: 'Failed', reason: 'Evicted', message: 'disk pressure' })).toEqual({
    kind: 'failed',
    why: 'its phase is Failed: Evicted: disk pressure',
  });
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/2 nodes' }];
  expect(pod({ phase: 'Pending', conditions })).toEqual({
    kind: 'pending',
    why: 'Unschedulable: 0/2 nodes',
    unschedulable: true,
  });
});

test.each([null, 7, 'text', [], { metadata: 3, status: [] }, { metadata: { labels: { a: 1, b: 'x' } } }])(
  'an object of any shape is read: %j',
  (value) => {
    const object = readObject(value);
    expect(object).toMatchObject({ name: '', uid: '', terminating: false });
    expect(Object.values(object.labels).every((label) => typeof label === 'string')).toBe(true);
    expect(podCondition(object).kind).toBe('pending');
  },
);

test('names carry the attempt, and lead back to the project', () => {
  expect(attemptName('main', '0000000042', 3)).toBe('main-0000000042-3');
  const first = (id: string, pools: string[]) => podPlaces(id, pools)[0];
  expect(first('a-b-small-0000000001-1', ['a', 'a-b'])).toEqual({ project: 'a-b', pod: 'small-0000000001-1' });
  expect(first('a-b-small-0000000001-1', ['a'])).toEqual({ project: 'a', pod: 'b-small-0000000001-1' });
  // A pool that has left the configuration.
  expect(podPlaces('gone-small-0000000001-1', ['main'])).toContainEqual({ project: 'gone', pod: 'small-0000000001-1' });
  expect(podPlaces('any', ['main'])).toEqual([]);
});

test('what refuses is told apart by its status, and by its words where there is nothing else', () => {
  const of = (status: number, message: string, retryAfter?: string) =>
    refusal('POST /x', status, JSON.stringify({ kind: 'Status', message, reason: 'R' }), retryAfter);
  expect(of(403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1').code).toBe('quota');
  expect(of(403, 'pods is forbidden: User "u" cannot create')).toMatchObject({
    code: 'unknown',
    status: 403,
    reason: 'R',
  });
  expect(of(429, 'slow down', '3')).toMatchObject({ code: 'throttled', retryAfterMs: 3000 });
  expect([401, 404, 409, 500, 503].map((status) => of(status, '').code)).toEqual([
    ...['network', 'not-found', 'conflict', 'network', 'network'],
  ]);
  expect(refusal('GET /x', 502, '<html>bad gateway</html>', undefined).message).toContain('bad gateway');
  expect(hasStatus(of(409, ''), 404, 409)).toBe(true);
  expect(hasStatus(new Error('409'), 409)).toBe(false);
});

test('a project that takes no labels is known by its description, and by nothing that others wrote there', () => {
  const mark = {
    labels: { team: 'x', ...launchSpec('0000000007').metadata },
    annotations: { 'nodepool/launch': 'abc' },
  };
  const described = (description: string) =>
    ownMetadata(readObject({ metadata: { annotations: { 'openshift.io/description': description } } }));
  expect(described(descriptionOf(mark))).toEqual({ ...launchSpec('0000000007').metadata, 'nodepool/launch': 'abc' });
  expect(described('Nodepool is great')).toEqual({});
  expect(described('{"nodepool_provider_name":"cloud"}')).toEqual({});
  expect(described('Nodepool {"nodepool_provider_name": 3}')).toEqual({});
});
