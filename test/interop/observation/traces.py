"""The other side of traces: Zuul's own tracing, and a reader of OTLP that is not ours.

zuul ENDPOINT   begins and ends a span with zuul.lib.tracing as Zuul does for a request; prints its span_info
decode          reads export requests, one a line in base64; prints their spans as JSON
"""

import base64
import configparser
import json
import sys


def zuul(endpoint):
    from zuul.lib import tracing

    config = configparser.ConfigParser()
    config.read_dict(
        {"tracing": {"enabled": "true", "protocol": "http/protobuf", "endpoint": endpoint, "service_name": "zuul"}}
    )
    active = tracing.Tracing(config)
    span_info = tracing.startSavedSpan("RequestNodes")
    print(json.dumps(span_info))
    tracing.endSavedSpan(span_info)
    active.stop()


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def attributes(pairs):
    return {pair.key: plain(pair.value) for pair in pairs}


def decode():
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = []
    for line in sys.stdin:
        request = ExportTraceServiceRequest()
        request.ParseFromString(base64.b64decode(line))
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    spans.append(
                        {
                            "resource": attributes(of_resource.resource.attributes),
                            "name": span.name,
                            "traceId": span.trace_id.hex(),
                            "spanId": span.span_id.hex(),
                            "parentId": span.parent_span_id.hex(),
                            "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                            "startedAt": span.start_time_unix_nano / 1e9,
                            "status": span.status.code,
                            "said": span.status.message,
                            "attributes": attributes(span.attributes),
                            "events": [{"name": e.name, "attributes": attributes(e.attributes)} for e in span.events],
                            "links": [{"traceId": k.trace_id.hex(), "spanId": k.span_id.hex()} for k in span.links],
                        }
                    )
    print(json.dumps(spans))


if __name__ == "__main__":
    zuul(sys.argv[2]) if sys.argv[1] == "zuul" else decode()
