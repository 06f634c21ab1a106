/**
 * Traces by OpenTelemetry, sent by OTLP over HTTP. This is the only file that knows the SDK, and it is imported only where
 * traces are wanted. Nothing that a collector does reaches the launcher: spans wait in a bounded queue, and a full queue drops
 * them.
 */
import {
  diag,
  DiagLogLevel,
  type HrTime,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Attributes as OtelAttributes, Context, Span as OtelSpan, Tracer as OtelTracer } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Logger } from '../base/logger.ts';
import type { Runtime } from '../base/runtime.ts';
import { withoutSecrets } from '../base/redact.ts';
import type { Attributes, Span, SpanContext, SpanOptions, Tracer } from './tracing.ts';

export interface TracingDeps {
  /** By name: OTLP in this encoding, sent as the environment says. */
  readonly exporter: 'http/protobuf' | 'http/json' | SpanExporter;
  readonly runtime: Runtime;
  readonly log: Pick<Logger, 'warn'>;
}

/** Who sends the traces. */
export interface TracingIdentity {
  readonly serviceName: string;
  readonly version: string;
  readonly hostname: string;
  readonly processId: number;
}

export interface Tracing extends Tracer {
  /** Sends the spans that are left. That may take as long as the collector lets it wait. */
  close(): Promise<void>;
}

/** Complaints are logged this often at most: a collector that is away must not fill the log. */
const sayAgainMs = 60_000;
const longestMessage = 1000;

export function startTracing({ exporter, runtime, log }: TracingDeps, identity: TracingIdentity): Tracing {
  const { serviceName, version, hostname, processId } = identity;
  complainTo(log, runtime);
  const own = resourceFromAttributes({
    'service.name': serviceName,
    'service.version': version,
    'service.instance.id': `${hostname}-${processId}`,
    'host.name': hostname,
    'process.pid': processId,
  });
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    idGenerator: {
      generateTraceId: () => runtime.randomHex(32),
      generateSpanId: () => runtime.randomHex(16),
    },
    spanProcessors: [new BatchSpanProcessor(exporterOf(exporter))],
  });
  const tracer = provider.getTracer('nodepool', version);
  return {
    span: (name, options) => rootSpan(tracer, runtime, name, options),
    close: () => provider.shutdown(),
  };
}

function exporterOf(wanted: TracingDeps['exporter']): SpanExporter {
  if (wanted === 'http/json') return new JsonExporter();
  return wanted === 'http/protobuf' ? new ProtobufExporter() : wanted;
}

function complainTo(log: Pick<Logger, 'warn'>, runtime: Runtime): void {
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  const warn = (message: string) => {
    const nowMs = runtime.monotonicMs();
    if (nowMs < notBeforeMs) return;
    notBeforeMs = nowMs + sayAgainMs;
    log.warn(
      { reason: withoutSecrets(message).slice(0, longestMessage) },
      'Traces are not collected as they should be',
    );
  };
  const silent = () => undefined;
  diag.setLogger(
    { error: warn, warn, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

function rootSpan(tracer: OtelTracer, runtime: Runtime, name: string, { parent, link, attributes }: SpanOptions): Span {
  const from = parent?.() ?? null;
  const context = from ? trace.setSpanContext(ROOT_CONTEXT, { ...remote(from) }) : ROOT_CONTEXT;
  const links = link ? [{ context: remote(link) }] : [];
  return new TimedSpan(tracer, runtime, context, { name, kind: SpanKind.CONSUMER, attributes, links });
}

const remote = ({ traceId, spanId, flags }: SpanContext) => ({ traceId, spanId, traceFlags: flags, isRemote: true });

interface Beginning {
  readonly name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  readonly links: Link[];
}

/** Its length is measured by the monotonic clock, so that setting the other clock does not change it. */
class TimedSpan implements Span {
  private readonly tracer: OtelTracer;
  private readonly runtime: Runtime;
  private readonly span: OtelSpan;
  private readonly around: Context;
  private readonly startMs: number;
  private readonly startMonotonicMs: number;
  private ended = false;

  constructor(tracer: OtelTracer, runtime: Runtime, parent: Context, { name, kind, attributes, links }: Beginning) {
    this.tracer = tracer;
    this.runtime = runtime;
    this.startMs = runtime.nowMs();
    this.startMonotonicMs = runtime.monotonicMs();
    const startTime = hrTime(this.startMs);
    this.span = tracer.startSpan(name, { kind, attributes: present(attributes), links, startTime }, parent);
    this.around = trace.setSpan(parent, this.span);
  }

  get context(): SpanContext {
    const { traceId, spanId, traceFlags } = this.span.spanContext();
    return { traceId, spanId, flags: traceFlags };
  }

  child(name: string, attributes: Attributes = {}): Span {
    return new TimedSpan(this.tracer, this.runtime, this.around, {
      name,
      kind: SpanKind.INTERNAL,
      attributes,
      links: [],
    });
  }

  set(attributes: Attributes): void {
    this.span.setAttributes(present(attributes));
  }

  fail(type: string, said: string): void {
    const message = withoutSecrets(said).slice(0, longestMessage);
    this.span.setAttribute('error.type', type);
    this.span.recordException({ name: type, message }, this.now());
    this.span.setStatus({ code: SpanStatusCode.ERROR, message });
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.span.end(this.now());
  }

  private now(): HrTime {
    return hrTime(this.startMs + this.runtime.monotonicMs() - this.startMonotonicMs);
  }
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

function present(attributes: Attributes): OtelAttributes {
  const set: OtelAttributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    set[name] = typeof value === 'object' ? [...value] : value;
  }
  return set;
}
