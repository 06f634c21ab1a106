import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base';
import { expect, onTestFinished, test } from 'vitest';
import { type Runtime, systemRuntime } from '../base/runtime.ts';
import { startTracing } from './open-telemetry.ts';

/** Its clocks stand still until they are moved. */
function setup() {
  const clock = { nowMs: 1_800_000_000_000.25, monotonicMs: 5000 };
  const runtime: Runtime = { ...systemRuntime, nowMs: () => clock.nowMs, monotonicMs: () => clock.monotonicMs };
  const exporter = new InMemorySpanExporter();
  const warnings: object[] = [];
  const tracing = startTracing(
    { exporter, runtime, log: { warn: (fields) => void warnings.push(fields) } },
    { serviceName: 'nodepool-launcher', version: '1.2.3', hostname: 'host.example', processId: 7 },
  );
  /** The exporter forgets its spans when it is closed. */
  const collected = async () => {
    const kept: ReturnType<InMemorySpanExporter['getFinishedSpans']> = [];
    exporter.shutdown = async () => void kept.push(...exporter.getFinishedSpans());
    await tracing.close();
    return new Map(kept.map((span) => [span.name, span]));
  };
  return { clock, tracing, collected, warnings };
}

const parent = { traceId: '0123456789abcdef0123456789abcdef', spanId: '0123456789abcdef', flags: 3 };

test("goes on with another process's span, and nests", async () => {
  const { tracing, collected, clock } = setup();
  const link = { ...parent, spanId: 'fedcba9876543210' };
  const outer = tracing.span('Outer', { parent: () => parent, link, attributes: { a: 'x', b: null, c: ['l'], d: 2 } });
  clock.monotonicMs += 10;
  clock.nowMs += 10;
  const inner = outer.child('Inner', { e: true });
  clock.monotonicMs += 1500;
  // Set back while it lasts.
  clock.nowMs -= 3_600_000;
  inner.end();
  inner.end();
  outer.set({ f: 'later', g: undefined });
  outer.end();
  const spans = await collected();
  const found = spans.get('Outer')!;
  expect(found.spanContext()).toMatchObject({ traceId: parent.traceId, spanId: outer.context!.spanId });
  expect(found.parentSpanContext).toMatchObject({ spanId: parent.spanId, isRemote: true });
  expect(found.links).toMatchObject([{ context: { spanId: link.spanId } }]);
  expect(found.attributes).toEqual({ a: 'x', c: ['l'], d: 2, f: 'later' });
  expect(found.startTime).toEqual([1_800_000_000, 250_000]);
  const below = spans.get('Inner')!;
  expect(below.parentSpanContext).toMatchObject({ spanId: outer.context!.spanId });
  expect(below.spanContext().traceId).toBe(parent.traceId);
  expect(below.duration).toEqual([1, 500_000_000]);
  expect(found.resource.attributes).toMatchObject({
    'service.name': 'nodepool-launcher',
    'service.version': '1.2.3',
    'service.instance.id': 'host.example-7',
    'host.name': 'host.example',
    'process.pid': 7,
    'telemetry.sdk.name': 'opentelemetry',
  });
});

test('a span without parent begins a trace', async () => {
  const { tracing, collected } = setup();
  for (const name of ['One', 'Two']) tracing.span(name, { parent: () => null, attributes: {} }).end();
  const spans = await collected();
  expect(spans.get('One')!.parentSpanContext).toBeUndefined();
  expect(spans.get('One')!.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(spans.get('One')!.spanContext().traceId).not.toBe(spans.get('Two')!.spanContext().traceId);
});

test('a parent that is not sampled is not sampled here', async () => {
  const { tracing, collected } = setup();
  const span = tracing.span('Quiet', { parent: () => ({ ...parent, flags: 2 }), attributes: {} });
  span.child('Child').end();
  span.end();
  expect((await collected()).size).toBe(0);
});

test('failures are told without secrets', async () => {
  const { tracing, collected } = setup();
  const span = tracing.span('Failing', { attributes: {} });
  span.fail('network', `https://user:hidden@cloud/ says password=hidden ${'x'.repeat(5000)}`);
  span.end();
  const { status, attributes, events } = (await collected()).get('Failing')!;
  expect(status.code).toBe(2);
  expect(status.message).toMatch(/^https:\/\/\[redacted\]@cloud\/ says password=\[redacted\] x+$/);
  expect(status.message!.length).toBe(1000);
  expect(attributes).toEqual({ 'error.type': 'network' });
  expect(events).toMatchObject([{ name: 'exception', attributes: { 'exception.type': 'network' } }]);
  expect(JSON.stringify(events)).not.toContain('hidden');
});

test('what the SDK complains of is logged once a minute, without secrets', async () => {
  const { tracing, clock, warnings, collected } = setup();
  const span = tracing.span('Over', { attributes: {} });
  onTestFinished(() => void collected());
  span.end();
  span.set({ late: true });
  span.set({ late: true });
  expect(warnings).toHaveLength(1);
  clock.monotonicMs += 60_000;
  span.set({ late: true });
  expect(warnings).toHaveLength(2);
});
