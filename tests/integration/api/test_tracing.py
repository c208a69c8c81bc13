"""Requests as spans: the caller's trace goes on, steps lie below their request, nothing of the contents is in them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quiredb.api import tracing
from quiredb.api.tracing import trace_requests
from quiredb.app import Instance
from quiredb.domain.spans import show_spans_to, span
from quiredb.local import ApplicationTransport

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARY = "canary-77a1"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing.trace, "get_tracer", provider.get_tracer)
    yield exporter
    show_spans_to(None)


@pytest.fixture
def traced(instance: Instance, exported: InMemorySpanExporter) -> Iterator[httpx.Client]:
    app = instance.api()
    trace_requests(app)
    with httpx.Client(base_url="http://test", transport=ApplicationTransport(app, lambda: None)) as opened:
        yield opened


def requests_in(exported: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {one.name: one for one in exported.get_finished_spans() if one.kind is trace.SpanKind.SERVER}


def steps_of(exported: InMemorySpanExporter, request: ReadableSpan) -> list[str]:
    spans = exported.get_finished_spans()
    return sorted(one.name for one in spans if one.parent and one.parent.span_id == request.context.span_id)


def test_a_search_continues_the_callers_trace_and_holds_its_steps(
    traced: httpx.Client, exported: InMemorySpanExporter, guide: str
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    response = traced.post(f"{guide}/search", json={"vector": [1, 2, 3]}, headers=headers)
    assert response.status_code == 200
    request = requests_in(exported)["POST /v1/libraries/{library}/search"]
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert steps_of(exported, request) == ["fetch", "parse", "search"]
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["quire.request_id"] == response.headers["x-request-id"]


def test_a_write_holds_its_commit_and_no_contents(
    traced: httpx.Client, exported: InMemorySpanExporter, guide: str
) -> None:
    chunk = {"text": CANARY, "embedding": [1, 2, 3]}
    assert traced.put(f"{guide}/documents/guide/chunks/new", json=chunk).is_success
    assert traced.put(f"{guide}/documents/guide/chunks/bad", json={**chunk, CANARY: 1}).status_code == 422
    (written, refused) = [one for one in exported.get_finished_spans() if one.kind is trace.SpanKind.SERVER]
    assert steps_of(exported, written) == ["commit", "parse"]
    assert steps_of(exported, refused) == ["parse"]
    assert all(CANARY not in one.to_json() for one in exported.get_finished_spans())


def test_without_a_tracer_a_step_is_nothing() -> None:
    assert span("a") is span("b")
