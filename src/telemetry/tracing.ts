/**
 * Tracing as the launcher uses it: spans with children. Its users do not know whether anybody collects the spans;
 * open-telemetry.ts collects them where that is wanted.
 */
export interface SpanContext {
  /** 32 and 16 lower-case hex digits. */
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

/** Attributes that are null or undefined are not set. */
export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

export interface Span {
  /** null: nobody collects the span. */
  readonly context: SpanContext | null;
  child(name: string, attributes?: Attributes): Span;
  set(attributes: Attributes): void;
  /** `type` is one of few stable words, `message` any text, perhaps a cloud's. */
  fail(type: string, message: string): void;
  /** Only the first call counts. */
  end(): void;
}

export interface SpanOptions {
  /** Called only when the span is collected; null: the span begins a trace. */
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
