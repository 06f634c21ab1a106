/** Which spans a launcher makes of a request's life, seen by a collector that keeps them as they are. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RawJson } from '../../records/json-document.ts';
import type { Attributes, Span, SpanContext, Tracer } from '../../telemetry/tracing.ts';
import { systemRuntime } from '../../base/runtime.ts';
import { Cluster, fakeProvider } from '../testing/cluster.ts';
import { Traces } from './traces.ts';

interface Kept {
  readonly name: string;
  readonly context: SpanContext;
  readonly parent: SpanContext | null;
  readonly link: SpanContext | null;
  attributes: Attributes;
  failure: readonly [type: string, message: string] | null;
  ended: number;
}

const patience = { timeout: 15_000, interval: 5 };
let cluster: Cluster;
let kept: Kept[];

const recorder: Tracer = {
  span: (name, { parent, link, attributes }) => keep(name, parent?.() ?? null, link ?? null, attributes),
};

function keep(name: string, parent: SpanContext | null, link: SpanContext | null, attributes: Attributes): Span {
  const spanId = String(kept.length).padStart(16, '0');
  const context = { traceId: parent?.traceId ?? `own-${spanId}`, spanId, flags: 1 };
  const one: Kept = { name, context, parent, link, attributes, failure: null, ended: 0 };
  kept.push(one);
  return {
    context,
    child: (of, more = {}) => keep(of, context, null, more),
    set: (more) => {
      expect(one.ended, `${name} has ended`).toBe(0);
      one.attributes = { ...one.attributes, ...more };
    },
    fail: (...failure) => {
      one.failure = failure;
    },
    end: () => {
      one.ended++;
    },
  };
}

beforeEach(async () => {
  cluster = await Cluster.start();
  kept = [];
  cluster.tracer = recorder;
});

afterEach(() => cluster.stop());

const named = (name: string) => kept.filter((span) => span.name === name);
const config = (more: string) => `
labels: [{name: a}]
providers: ${fakeProvider('cloud', '[{name: main, labels: [{name: a, cloud-image: image, min-ram: 1}]}]', more)}
`;
const spanInfo =
  '{"name": "RequestNodes", "trace_id": 243758281276797397330304997386949176101, "span_id": 5453246484714244990, "trace_flags": 3}';
const zuul = { traceId: 'b7622326c5267cf0c4ec84568c8f2b25', spanId: '4badd2c90a0a4b7e', flags: 3 };

test("a request from Zuul's span to the deletion of its node", async () => {
  await cluster.launch(config('fake-cloud: {boot-delay: 0.05}'));
  const requestorData = new RawJson(`{"job_name": "secret-job", "span_info": ${spanInfo}}`);
  const id = await cluster.submit({ nodeTypes: ['a'], eventId: 'event-1', tenantName: 'one', requestorData });
  await cluster.untilState(id, 'fulfilled');
  await expect.poll(() => named('ServeRequest')[0]?.ended, patience).toBe(1);
  const [serve] = named('ServeRequest');
  const nodeId = cluster.request(id)!.nodes[0]!;
  expect(BigInt(`0x${zuul.traceId}`)).toBe(243758281276797397330304997386949176101n);
  expect(serve).toMatchObject({
    parent: zuul,
    failure: null,
    attributes: {
      'nodepool.request.id': id,
      'nodepool.request.event_id': 'event-1',
      'nodepool.labels': ['a'],
      'nodepool.tenant': 'one',
      'nodepool.provider': 'cloud',
      'nodepool.pool': 'main',
      'nodepool.node.ids': [nodeId],
      'nodepool.outcome': 'fulfilled',
    },
  });
  const [launch] = named('LaunchNode');
  expect(launch).toMatchObject({
    parent: serve!.context,
    ended: 1,
    failure: null,
    attributes: {
      'nodepool.node.id': nodeId,
      'nodepool.provider': 'cloud',
      'nodepool.label': 'a',
      'nodepool.attempt': 1,
      'nodepool.outcome': 'ready',
      'nodepool.external_id': expect.stringMatching(/^[0-9a-f]{32}$/),
    },
  });
  const steps = kept.filter(({ parent }) => parent?.spanId === launch!.context.spanId);
  expect(steps.map(({ name, ended }) => [name, ended])).toEqual([
    ['CreateInstance', 1],
    ['AwaitInstance', 1],
    ['ScanHostKeys', 1],
  ]);
  await cluster.giveBack(id);
  await expect.poll(() => named('DeleteNode')[0]?.ended, patience).toBe(1);
  expect(named('DeleteNode')[0]).toMatchObject({
    parent: null,
    link: serve!.context,
    failure: null,
    attributes: { 'nodepool.node.id': nodeId, 'nodepool.node.state': 'used' },
  });
  expect(JSON.stringify(kept)).not.toContain('secret-job');
});

test('attempts that fail, and what they leave', async () => {
  await cluster.launch(
    config('fake-cloud: {boot-delay: 0.01, failure-rate: 1}').replace('launch-retries: 1', 'launch-retries: 2'),
  );
  const id = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(id, 'failed');
  await expect.poll(() => named('ServeRequest')[0]?.ended, patience).toBe(1);
  expect(named('LaunchNode').map(({ failure, ended }) => [failure?.[0], ended])).toEqual([
    ['unknown', 1],
    ['unknown', 1],
  ]);
  expect(named('CreateInstance').map(({ failure, ended }) => [failure?.[0], ended])).toEqual([
    ['unknown', 1],
    ['unknown', 1],
  ]);
  expect(named('ServeRequest')[0]).toMatchObject({
    parent: null,
    failure: ['failed', expect.stringContaining('2 launch attempts failed')],
    attributes: { 'nodepool.outcome': 'failed' },
  });
});

test('a request that waits for room', async () => {
  await cluster.launch(
    config('fake-cloud: {boot-delay: 0.01}').replace('{name: main,', '{name: main, max-servers: 1,'),
  );
  const first = await cluster.submit({ nodeTypes: ['a'] });
  await cluster.untilState(first, 'fulfilled');
  const second = await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => named('AwaitRoom').length, patience).toBe(1);
  const [waiting] = named('AwaitRoom');
  expect(waiting).toMatchObject({
    ended: 0,
    attributes: {
      'nodepool.waiting.kind': 'resource',
      'nodepool.waiting.resource': 'instances',
      'nodepool.waiting.scope': 'pool',
    },
  });
  await cluster.giveBack(first);
  await cluster.untilState(second, 'fulfilled');
  expect(waiting!.ended).toBe(1);
  await expect.poll(() => named('ServeRequest')[1]?.ended, patience).toBe(1);
  expect(waiting!.parent).toEqual(named('ServeRequest')[1]!.context);
  expect(named('AwaitRoom')).toHaveLength(1);
});

test('what follows of a request without a span stays in its trace', async () => {
  await cluster.launch(config('fake-cloud: {boot-delay: 3600}'));
  await cluster.submit({ nodeTypes: ['a'] });
  await expect.poll(() => named('AwaitInstance').length, patience).toBe(1);
  const [first] = named('ServeRequest');
  expect(first!.parent).toBeNull();
  const traces = new Traces(recorder, systemRuntime);
  const request = cluster.request(String(first!.attributes['nodepool.request.id']))!;
  for (let round = 0; round < 2; round++) traces.refused(request, 'reason');
  const [one, two] = named('RefuseRequest');
  expect(one!.parent).toBeNull();
  expect(two!.parent).toEqual(one!.context);
});

test('a request that nobody can serve', async () => {
  await cluster.launch(config(''));
  const requestorData = new RawJson(`{"span_info": ${spanInfo}}`);
  await cluster.untilState(await cluster.submit({ nodeTypes: ['b'], requestorData }), 'failed');
  expect(named('RefuseRequest')).toMatchObject([{ parent: zuul, ended: 1, failure: ['declined', expect.any(String)] }]);
  expect(named('ServeRequest')).toEqual([]);
});

test('a launch that another launcher goes on with', async () => {
  const first = await cluster.launch(config('fake-cloud: {boot-delay: 3600}'));
  const requestorData = new RawJson(`{"span_info": ${spanInfo}}`);
  await cluster.submit({ nodeTypes: ['a'], requestorData });
  await expect.poll(() => named('AwaitInstance').length, patience).toBe(1);
  await first.stop();
  expect(named('ServeRequest')[0]).toMatchObject({
    ended: 1,
    failure: null,
    attributes: { 'nodepool.outcome': 'handed-back' },
  });
  expect(named('LaunchNode')[0]).toMatchObject({
    ended: 1,
    failure: null,
    attributes: { 'nodepool.outcome': 'stopped' },
  });
  await cluster.launch(config('fake-cloud: {boot-delay: 3600}'));
  await expect.poll(() => named('LaunchNode').length, patience).toBe(2);
  expect(named('ServeRequest')[1]).toMatchObject({ parent: zuul, attributes: { 'nodepool.request.taken_over': true } });
  expect(named('LaunchNode')[1]!.attributes).toMatchObject({ 'nodepool.attempt.resumed': true });
});
