"""OpenTelemetry's own packages for Python read what the gateway sends: the messages, the names, the context.

check.py BINARY, with the packages of requirements.txt. A client traces itself with the SDK and hands its context on; a
collector keeps what comes. Every attribute's name is looked up in the conventions' registry.
"""

import importlib
import json
import pkgutil
import queue
import signal
import sys
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "clients"))

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stand import KEY, Stand, configuration

PROMPT = "What is not worth knowing about a lighthouse?"
OURS = "moonrelay."
WITHIN = 60


class Collector:
    """Listens on a free port and keeps each request of the protocol."""

    def __init__(self):
        self.came = queue.Queue()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.came.put((self.path, self.headers["content-type"], body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        return self.came.get(timeout=WITHIN)


class Traced(Stand):
    """Its gateway sends traces to this collector."""

    def __init__(self, binary, folder, collector):
        super().__init__(binary, folder)
        self.collector = collector

    def configuration(self):
        return {
            **configuration(self.upstream),
            "telemetry": {"otlp": {"endpoint": self.collector.base}},
            "failover": {"attemptsPerTarget": 1},
        }


def registry():
    """Every name of the conventions."""
    names = set()
    for package in ("opentelemetry.semconv.attributes", "opentelemetry.semconv._incubating.attributes"):
        module = importlib.import_module(package)
        for found in pkgutil.iter_modules(module.__path__, f"{package}."):
            constants = vars(importlib.import_module(found.name))
            names.update(v for k, v in constants.items() if k.isupper() and isinstance(v, str))
    assert len(names) > 500, len(names)
    return names


def said(attributes):
    values = {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
    assert len(values) == len(attributes), f"a name twice: {attributes}"
    return values


def ask(stand, path, stream, headers):
    body = {"model": "default", "max_tokens": 200, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **headers}
    request = urllib.request.Request(stand.base + path, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=WITHIN) as response:
        response.read()
        return response.headers


def conventional(body, known):
    """The names are the conventions', or ours; returns the spans."""
    message = ExportTraceServiceRequest.FromString(body)
    spans = []
    for resource in message.resource_spans:
        attributes = said(resource.resource.attributes)
        assert attributes["service.name"] == "moonrelay", attributes
        assert {"service.version", "service.instance.id", "telemetry.sdk.name"} <= attributes.keys(), attributes
        assert attributes.keys() <= known, attributes.keys() - known
        for scope in resource.scope_spans:
            assert scope.schema_url.startswith("https://opentelemetry.io/schemas/"), scope.schema_url
            spans += scope.spans
    for part in [message, *message.resource_spans, *spans]:
        assert len(UnknownFieldSet(part)) == 0, "a field that the protocol does not have"
    for span in spans:
        for attributes in [span.attributes, *(event.attributes for event in span.events)]:
            for name in said(attributes):
                assert name.startswith(OURS) or name in known, f"no convention knows {name}"
    return spans


def checks_call(span):
    """Source: the conventions' table of an inference span: what is required, and the types."""
    attributes = said(span.attributes)
    assert span.kind == Span.SPAN_KIND_CLIENT, span
    operations = {value.value for value in gen_ai_attributes.GenAiOperationNameValues}
    assert attributes[gen_ai_attributes.GEN_AI_OPERATION_NAME] in operations, attributes
    model = attributes[gen_ai_attributes.GEN_AI_REQUEST_MODEL]
    assert span.name == f"chat {model}", span.name
    assert attributes[gen_ai_attributes.GEN_AI_PROVIDER_NAME], attributes
    assert isinstance(attributes["server.port"], int) and attributes["server.address"] == "127.0.0.1", attributes
    is_error = span.status.code == Status.STATUS_CODE_ERROR
    assert is_error == ("error.type" in attributes), attributes
    if not is_error:
        for name in (gen_ai_attributes.GEN_AI_USAGE_INPUT_TOKENS, gen_ai_attributes.GEN_AI_USAGE_OUTPUT_TOKENS):
            assert isinstance(attributes[name], int) and attributes[name] > 0, attributes
    return is_error


def main(binary):
    known = registry()
    collector = Collector()
    tracer = TracerProvider().get_tracer("a client")
    spans, parents, ids = [], {}, set()
    with tempfile.TemporaryDirectory() as folder, Traced(binary, Path(folder), collector) as stand:
        stand.simulator("POST", "/_faults", {"provider": "kimi", "kind": "rate_limit"})
        for path in ("/v1/chat/completions", "/v1/messages"):
            for stream in (False, True):
                headers = {}
                with tracer.start_as_current_span("a question") as span:
                    TraceContextTextMapPropagator().inject(headers)
                    answer = ask(stand, path, stream, headers)
                context = span.get_span_context()
                parents[answer["x-moonrelay-request-id"]] = (
                    context.trace_id.to_bytes(16, "big"),
                    context.span_id.to_bytes(8, "big"),
                )
        gateway = stand.processes[-1]
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(WITHIN) == 0
        while not collector.came.empty():
            path, kind, body = collector.next()
            assert (path, kind) == ("/v1/traces", "application/x-protobuf"), (path, kind)
            for secret in (PROMPT, "lighthouse", KEY, "simulated-"):
                assert secret.encode() not in body, f"{secret} goes to the collector"
            spans += conventional(body, known)
    servers = {span.span_id: span for span in spans if span.kind == Span.SPAN_KIND_SERVER}
    assert len(servers) == len(parents) == 4, (len(servers), len(parents))
    for server in servers.values():
        request = said(server.attributes)["moonrelay.request.id"]
        ids.add(request)
        assert (server.trace_id, server.parent_span_id) == parents[request], server
    assert ids == parents.keys(), ids
    errors = 0
    calls = [span for span in spans if span.span_id not in servers]
    for call in calls:
        server = servers[call.parent_span_id]
        assert call.trace_id == server.trace_id
        assert server.start_time_unix_nano <= call.start_time_unix_nano <= call.end_time_unix_nano
        assert call.end_time_unix_nano <= server.end_time_unix_nano
        errors += checks_call(call)
    # Kimi fails once, is in cooldown, and is skipped from then on.
    assert (len(calls), errors) == (5, 1), (len(calls), errors)
    events = [event.name for server in servers.values() for event in server.events]
    assert events == ["moonrelay.target.skipped"] * 3, events
    print(f"{len(spans)} spans of {len(servers)} requests: every name is known")


main(sys.argv[1])
