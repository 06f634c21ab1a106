/**
 * What a part of the launcher needs of tracing: spans with children. Who uses it does not know whether anybody collects them;
 * open-telemetry.ts does that when it is wanted.
 */
export interface SpanContext {
  /** 32 and 16 lower-case hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** null and undefined: not set. */
export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

export interface Span {
  /** null: nobody collects it. */
  readonly context: SpanContext | null;
  child(name: string, attributes?: Attributes): Span;
  set(attributes: Attributes): void;
  /** `type` is one of few stable words, `message` what was said, by a cloud perhaps. */
  fail(type: string, message: string): void;
  /** Once; more often is harmless. */
  end(): void;
}

export interface SpanOptions {
  /** Asked only when it is collected; null: it begins a trace. */
  readonly parent?: () => SpanContext | null;
  readonly link?: SpanContext | null;
  readonly attributes: Attributes;
}

export interface Tracer {
  /** A span whose parent is in another process, or that has none. */
  span(name: string, options: SpanOptions): Span;
}

export const noSpan: Span = {
  context: null,
  child: () => noSpan,
  set: () => undefined,
  fail: () => undefined,
  end: () => undefined,
};

export const noTracing: Tracer = { span: () => noSpan };
