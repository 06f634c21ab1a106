/**
 * Traces of our launcher in a collector, beside the spans of Zuul's own tracing: what Zuul has begun goes on in the launcher.
 * And collectors that behave badly, which no request may notice. Needs Zuul's Python (NODEPOOL_TEST_ZUUL_PYTHON).
 */
import { existsSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Running, until } from '../support/programs.ts';
import { type CollectedSpan, Collector, type Manner, python } from './collector.ts';
import { Life } from './life.ts';

let life: Life;
let collector: Collector;
let launcher: (Running & { port: number }) | null = null;
const fast = { OTEL_BSP_SCHEDULE_DELAY: '50' };

beforeAll(async () => {
  expect(existsSync(python), `Zuul's Python is needed (NODEPOOL_TEST_ZUUL_PYTHON): ${python}`).toBe(true);
  [life, collector] = await Promise.all([Life.begin('embedded'), Collector.start()]);
});

afterEach(async () => {
  // In order, so that nobody waits for its pools to come back.
  launcher?.process.kill('SIGTERM');
  await launcher?.ended;
  launcher = null;
  collector.manner = 'takes';
  collector.bodies.length = 0;
});

afterAll(async () => {
  await life?.end();
  await collector?.close();
});

async function start(env: Record<string, string>): Promise<Running> {
  launcher = await life.launcher({ ...fast, ...env });
  return launcher;
}

/** As Zuul writes it: numbers with all their digits. */
function zuulDocument(spanInfo: string | null, label = 'small'): Buffer {
  const now = Date.now() / 1000;
  const data = `{"build_set_uuid": "b1", "job_name": "the-job"${spanInfo === null ? '' : `, "span_info": ${spanInfo}`}}`;
  return Buffer.from(
    `{"requestor_data": ${data}, "node_types": ["${label}"], "requestor": "zuul", "created_time": ${now}, "provider": null, "state": "requested", "state_time": ${now}, "relative_priority": 0, "event_id": "event-7", "tenant_name": "one"}`,
  );
}

/** All that was collected by the time when `enough` is among it. */
async function collected(enough: (spans: readonly CollectedSpan[]) => boolean): Promise<CollectedSpan[]> {
  let seen = -1;
  let spans: CollectedSpan[] = [];
  return until(
    () => `spans: ${spans.map(({ name }) => name).join(', ')}; ${launcher?.output().slice(-1000)}`,
    () => {
      if (collector.bodies.length === seen) return null;
      seen = collector.bodies.length;
      spans = collector.spans();
      return enough(spans) ? spans : null;
    },
    30_000,
  );
}

const serveOf = (spans: readonly CollectedSpan[], id: string) =>
  spans.find(({ name, attributes }) => name === 'ServeRequest' && attributes['nodepool.request.id'] === id);

test("Zuul's span goes on in the launcher, to the deletion of the node", async () => {
  await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_SERVICE_NAME: 'nodes-of-ours' });
  const spanInfo = await collector.zuulSpan();
  const id = await life.submitRaw(zuulDocument(spanInfo));
  const [nodeId] = await life.untilState(id, 'fulfilled');
  await life.giveBack(id);
  const ofNode = (spans: readonly CollectedSpan[], wanted: string) =>
    spans.find(({ name, attributes }) => name === wanted && attributes['nodepool.node.id'] === nodeId);
  const spans = await collected((all) => ofNode(all, 'DeleteNode') !== undefined);

  const zuul = spans.find(({ resource }) => resource['service.name'] === 'zuul')!;
  expect(zuul.name).toBe('RequestNodes');
  const ids = /"trace_id": (\d+), "span_id": (\d+)/.exec(spanInfo)!;
  expect([BigInt(`0x${zuul.traceId}`), BigInt(`0x${zuul.spanId}`)]).toEqual([BigInt(ids[1]!), BigInt(ids[2]!)]);
  expect(Number.isSafeInteger(Number(ids[1]))).toBe(false);

  const serve = serveOf(spans, id)!;
  expect(serve).toMatchObject({ traceId: zuul.traceId, parentId: zuul.spanId, status: 0 });
  expect(serve.resource).toMatchObject({ 'service.name': 'nodes-of-ours', 'telemetry.sdk.language': 'nodejs' });
  expect(serve.attributes).toMatchObject({
    'nodepool.request.event_id': 'event-7',
    'nodepool.labels': ['small'],
    'nodepool.node.ids': [nodeId],
    'nodepool.outcome': 'fulfilled',
    'nodepool.tenant': 'one',
  });
  const launch = ofNode(spans, 'LaunchNode')!;
  expect(launch).toMatchObject({ traceId: zuul.traceId, parentId: serve.spanId });
  expect(launch.attributes).toMatchObject({ 'nodepool.outcome': 'ready', 'nodepool.label': 'small' });
  const steps = spans.filter(({ parentId }) => parentId === launch.spanId);
  expect(steps.map(({ name }) => name).sort()).toEqual(['AwaitInstance', 'CreateInstance', 'ScanHostKeys']);
  for (const step of steps) {
    expect(step.startedAt).toBeGreaterThanOrEqual(launch.startedAt - 0.001);
    expect(step.startedAt + step.seconds).toBeLessThanOrEqual(launch.startedAt + launch.seconds + 0.001);
  }
  expect(launch.seconds).toBeLessThanOrEqual(serve.seconds);
  expect(Math.abs(serve.startedAt - Date.now() / 1000)).toBeLessThan(60);

  const deletion = ofNode(spans, 'DeleteNode')!;
  expect(deletion.links).toEqual([{ traceId: serve.traceId, spanId: serve.spanId }]);
  expect(deletion.parentId).toBe('');
  expect(JSON.stringify(spans)).not.toContain('the-job');
});

test('a request without a span has a trace of its own, failures show in it', async () => {
  await start({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.endpoint}/v1/traces` });
  const good = await life.submitRaw(zuulDocument(null));
  const bad = await life.submitRaw(zuulDocument(null, 'flaky'));
  await life.untilState(good, 'fulfilled');
  await life.untilState(bad, 'failed');
  const spans = await collected((all) => [good, bad].every((id) => serveOf(all, id)));
  const served = serveOf(spans, good)!;
  const failed = serveOf(spans, bad)!;
  expect(served.parentId).toBe('');
  expect(failed.parentId).toBe('');
  expect(served.traceId).not.toBe(failed.traceId);
  expect(served.resource['service.name']).toBe('nodepool-launcher');
  // As far as this pool is concerned; others may have to say so too before the request has failed.
  expect(failed.status).toBe(2);
  expect(['declined', 'failed']).toContain(failed.attributes['error.type']);
  const attempts = spans.filter(({ name, parentId }) => name === 'LaunchNode' && parentId === failed.spanId);
  expect(
    attempts.map(({ status, attributes }) => [status, attributes['nodepool.attempt'], attributes['error.type']]),
  ).toEqual([
    [2, 1, 'unknown'],
    [2, 2, 'unknown'],
  ]);
  expect(attempts[0]!.events).toMatchObject([{ name: 'exception', attributes: { 'exception.type': 'unknown' } }]);
  await life.giveBack(good);
});

test('what is left is sent at an orderly stop', async () => {
  const running = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '3600000' });
  const id = await life.submit({ nodeTypes: ['small'] });
  await life.giveBack(id);
  expect(collector.bodies).toEqual([]);
  running.process.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  expect(serveOf(collector.spans(), id)).toBeDefined();
});

test('JSON is sent when it is asked for', async () => {
  await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' });
  const spanInfo =
    '{"name": "RequestNodes", "trace_id": 243758281276797397330304997386949176101, "span_id": 5453246484714244990, "trace_flags": 3}';
  const id = await life.submitRaw(zuulDocument(spanInfo));
  await life.giveBack(id);
  const first = await until(
    () => 'spans as JSON',
    () => collector.bodies.find(({ body }) => body.includes('ServeRequest')),
  );
  expect(first).toMatchObject({ path: '/v1/traces', type: 'application/json' });
  expect(first.body.toString()).toContain(243758281276797397330304997386949176101n.toString(16));
});

test.each<[string, Record<string, string>]>([
  ['a sampler that wants none', { OTEL_TRACES_SAMPLER: 'always_off' }],
  ['a protocol that is not there', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }],
  ['tracing that is disabled', { OTEL_SDK_DISABLED: 'true' }],
])('nothing is sent with %s', async (_what, env) => {
  const running = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, ...env });
  await life.giveBack(await life.submit({ nodeTypes: ['small'] }));
  running.process.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  expect(collector.bodies).toEqual([]);
  if (env['OTEL_EXPORTER_OTLP_PROTOCOL']) expect(running.output()).toContain('There will be no traces');
});

test.each<Manner>(['hangs', 'refuses', 'babbles'])('a collector that %s is noticed by no request', async (manner) => {
  collector.manner = manner;
  const running = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_MAX_QUEUE_SIZE: '5' });
  for (let round = 0; round < 5; round++) {
    const startedMs = Date.now();
    await life.giveBack(await life.submit({ nodeTypes: ['small', 'small'] }));
    expect(Date.now() - startedMs).toBeLessThan(5000);
  }
  expect(collector.bodies.length).toBeGreaterThan(0);
  const stoppedMs = Date.now();
  running.process.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  expect(Date.now() - stoppedMs).toBeLessThan(8000);
});

test('a collector that is not there is said once', async () => {
  const running = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hidden@127.0.0.1:9' });
  for (let round = 0; round < 3; round++) await life.giveBack(await life.submit({ nodeTypes: ['small'] }));
  await until(
    () => running.output(),
    () => running.output().includes('Traces are not collected as they should be'),
    30_000,
  );
  running.process.kill('SIGTERM');
  expect(await running.ended).toBe(0);
  expect(running.output().match(/Traces are not collected/g)).toHaveLength(1);
  expect(running.output()).not.toContain('hidden');
});
