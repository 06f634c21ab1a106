/** Whether and how traces are sent, by standard environment variables of OpenTelemetry. The SDK reads the other ones itself. */
export type TracingSettings =
  | { readonly kind: 'off' }
  | { readonly kind: 'otlp'; readonly protocol: 'http/protobuf' | 'http/json' }
  /** Traces are wanted in a way that is not offered here. */
  | { readonly kind: 'refused'; readonly reason: string };

export function tracingSettings(env: Readonly<Record<string, string | undefined>>): TracingSettings {
  const value = (name: string) => env[name]?.trim() || undefined;
  if (value('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return { kind: 'off' };
  const exporter = value('OTEL_TRACES_EXPORTER');
  const endpoint = value('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? value('OTEL_EXPORTER_OTLP_ENDPOINT');
  if (exporter === 'none' || (exporter === undefined && endpoint === undefined)) return { kind: 'off' };
  if (exporter !== undefined && exporter !== 'otlp')
    return { kind: 'refused', reason: `OTEL_TRACES_EXPORTER is ${exporter}; there are otlp and none` };
  const protocol =
    value('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? value('OTEL_EXPORTER_OTLP_PROTOCOL') ?? 'http/protobuf';
  if (protocol === 'http/protobuf' || protocol === 'http/json') return { kind: 'otlp', protocol };
  return {
    kind: 'refused',
    reason: `the protocol for traces is ${protocol}; there are http/protobuf and http/json, usually on port 4318`,
  };
}
