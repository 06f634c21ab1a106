/**
 * The spans of a launcher: a request while it is served, each attempt to launch a node with its steps, and deletions. Names are
 * written as Zuul's, attributes as OpenTelemetry's. No secrets: nothing of a document but ids and names.
 */
import { idText } from '../../driver-kit/contract.ts';
import type { NodeRecord } from '../../records/node.ts';
import type { RequestRecord } from '../../records/request.ts';
import { spanInfoOf } from '../../records/span-info.ts';
import type { Runtime } from '../../base/runtime.ts';
import { Newest } from '../../base/bounded-map.ts';
import type { Waiting } from '../../scheduling/plan.ts';
import { type Attributes, noSpan, type Span, type SpanContext, type Tracer } from '../../telemetry/tracing.ts';
import type { ServedPool } from '../pools/served-pool.ts';

/** Nodes live for hours; what is forgotten loses a link or begins a trace anew. */
const mostRemembered = 10_000;

export class Traces {
  private readonly tracer: Tracer;
  private readonly runtime: Runtime;
  /** Spans of the requests that nodes were made for. */
  private readonly origins = new Newest<SpanContext>(mostRemembered);
  /** First spans of requests that came without one. */
  private readonly begun = new Newest<SpanContext>(mostRemembered);

  constructor(tracer: Tracer, runtime: Runtime) {
    this.tracer = tracer;
    this.runtime = runtime;
  }

  /** From its acceptance to its end. The consumer's span is continued. */
  request(request: RequestRecord, pool: ServedPool, takenOver: boolean): Span {
    return this.ofRequest('ServeRequest', request, {
      'nodepool.provider': pool.providerName,
      'nodepool.pool': pool.poolName,
      'nodepool.request.taken_over': takenOver,
    });
  }

  /** A request that nobody can serve has no other span. */
  refused(request: RequestRecord, reason: string): void {
    const span = this.ofRequest('RefuseRequest', request);
    span.fail('declined', reason);
    span.end();
  }

  /** The node is that request's work: its deletion will point there. */
  remember(nodeId: string, { context }: Span): void {
    if (context) this.origins.set(nodeId, context);
  }

  /** A trace of its own, hours after the request. */
  deletion(node: NodeRecord): Span {
    const link = this.origins.get(node.id);
    return this.tracer.span('DeleteNode', {
      link,
      attributes: {
        'nodepool.node.id': node.id,
        'nodepool.node.state': node.state,
        'nodepool.labels': node.labels,
        'nodepool.provider': node.provider,
        'nodepool.pool': node.pool,
        'nodepool.external_id': node.externalId === null ? null : idText(node.externalId),
      },
    });
  }

  private ofRequest(name: string, request: RequestRecord, more: Attributes = {}): Span {
    let continued = false;
    const span = this.tracer.span(name, {
      parent: () => {
        const parent = spanInfoOf(request) ?? this.begun.get(request.id);
        continued = parent !== null;
        return parent;
      },
      attributes: { ...this.attributesOf(request), ...more },
    });
    if (span.context && !continued) this.begun.set(request.id, span.context);
    return span;
  }

  private attributesOf(request: RequestRecord) {
    const { id, eventId, nodeTypes, requestor, tenantName, createdTime, relativePriority } = request;
    return {
      'nodepool.request.id': id,
      'nodepool.request.event_id': eventId,
      'nodepool.request.relative_priority': relativePriority,
      'nodepool.request.queued_seconds':
        createdTime === null ? null : Math.max(0, this.runtime.nowMs() / 1000 - createdTime),
      'nodepool.labels': nodeTypes,
      'nodepool.requestor': requestor,
      'nodepool.tenant': tenantName,
    };
  }
}

/** Steps of an attempt, one after the other. */
export class Steps {
  private readonly of: Span;
  private current = noSpan;

  constructor(of: Span) {
    this.of = of;
  }

  begin(name: string): void {
    this.current.end();
    this.current = this.of.child(name);
  }

  end(): void {
    this.current.end();
    this.current = noSpan;
  }

  fail(type: string, message: string): void {
    this.current.fail(type, message);
    this.end();
  }
}

/** While a request waits for room: one span from the first thing that it waits for to the last. */
export class WaitSpan {
  private current = noSpan;

  waits(of: Span, waiting: Waiting | null): void {
    if (!waiting) {
      this.current.end();
      this.current = noSpan;
    } else if (this.current === noSpan) {
      this.current = of.child('AwaitRoom', {
        'nodepool.waiting.kind': waiting.kind,
        'nodepool.waiting.resource': waiting.resource || null,
        'nodepool.waiting.scope': waiting.scope,
      });
    }
  }
}
