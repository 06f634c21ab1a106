import { expect, test } from 'vitest';
import { tracingSettings } from './tracing-settings.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test.each([
  [{}, 'off'],
  [{ OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, 'off'],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'True' }, 'off'],
  [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, 'off'],
  [endpoint, 'http/protobuf'],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'http/protobuf'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector/traces' }, 'http/protobuf'],
  [{ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'http/json'],
  [
    { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' },
    'http/protobuf',
  ],
  [{ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'refused'],
  [{ ...endpoint, OTEL_TRACES_EXPORTER: 'zipkin' }, 'refused'],
] as const)('%o: %s', (env, expected) => {
  const settings = tracingSettings(env);
  expect(settings.kind === 'otlp' ? settings.protocol : settings.kind).toBe(expected);
});
