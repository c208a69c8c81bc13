"""Bulk writes: batches by size, order, several at a time, back-pressure, failures, progress."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import threading
from uuid import UUID

import httpx
import numpy as np
import orjson
import pytest
from quiredb_client import BulkFailed, Chunk, ConnectionFailed, NotFound, Progress, Unauthorized
from quiredb_client.progress import Reporter, describe

DEADLINE = 30


def chunks(count: int, *, documents: int = 1, bad: frozenset[int] = frozenset()) -> list[dict]:
    return [
        {
            "id": f"c{number}",
            "document_id": f"d{number % documents}",
            "text": "bad" if number in bad else "x" * 60,
        }
        for number in range(count)
    ]


def test_batches_hold_as_many_bytes_as_allowed(server, client) -> None:
    report = client.library("papers").upsert_many(chunks(100), batch_bytes=1000, concurrency=1)
    assert report.ok
    assert (report.items, report.documents, report.chunks) == (100, 0, 100)
    assert [item["id"] for item in server.written] == [f"c{number}" for number in range(100)]
    sizes = [len(request.content) for request in server.requests]
    assert max(sizes) <= 1000
    assert min(sizes[:-1]) > 800
    assert sum(sizes) == report.bytes
    assert {request.headers["content-type"] for request in server.requests} == {"application/x-ndjson"}
    assert {request.url.params["on_error"] for request in server.requests} == {"continue"}


def test_documents_and_chunks_get_ids_and_compact_vectors(server, client) -> None:
    document = {"metadata": {"title": "t"}, "chunks": [{"text": "a", "embedding": np.ones(3)}, {"text": "b"}]}
    report = client.library("papers").upsert_many([document, {"document_id": "d", "text": "c"}], concurrency=1)
    assert (report.documents, report.chunks) == (1, 3)
    by_text = {item["id"]: item for item in server.written}
    ids = [*by_text, *(chunk["id"] for item in server.written for chunk in item.get("chunks", []))]
    assert len(set(ids)) == 4
    assert all(UUID(identifier).version == 7 for identifier in ids)
    written = next(item for item in server.written if "chunks" in item)
    ones = base64.b64encode(np.ones(3, "<f4").tobytes()).decode()
    assert written["chunks"][0]["embedding"] == {"b64": ones, "dtype": "f32"}
    assert document == {"metadata": {"title": "t"}, "chunks": [document["chunks"][0], {"text": "b"}]}


def test_a_lost_answer_is_repeated_with_the_same_key_and_ids(server, client) -> None:
    server.script(httpx.ReadError("gone"))
    client.library("papers").upsert_many([{"document_id": "d", "text": "c"}])
    first, second = server.requests
    assert first.content == second.content
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_several_batches_are_under_way_but_each_document_keeps_its_order(server, client) -> None:
    together = threading.Barrier(3)
    server.gate = lambda request: together.wait(DEADLINE) if len(server.requests) <= 3 else None
    items = chunks(620, documents=31)
    assert client.library("papers").upsert_many(items, batch_bytes=2000, concurrency=3).ok
    assert not together.broken
    assert len(server.written) == 620
    for document in range(31):
        of_document = [item["id"] for item in server.written if item["document_id"] == f"d{document}"]
        assert of_document == [f"c{number}" for number in range(document, 620, 31)]


def test_the_source_is_read_only_as_fast_as_the_server_answers(server, client) -> None:
    taken = 0

    def source():
        nonlocal taken
        for item in chunks(2000):
            taken += 1
            yield item

    ahead = []
    server.gate = lambda request: ahead.append(taken - len(server.written))
    client.library("papers").upsert_many(source(), batch_bytes=1000, concurrency=1)
    assert taken == len(server.written) == 2000
    assert max(ahead) <= 30


def test_failed_items_are_collected_with_their_place_and_reason(server, client) -> None:
    items = chunks(100, bad=frozenset({3, 50, 99}))
    report = client.library("papers").upsert_many(iter(items), batch_bytes=1500)
    assert [failed.index for failed in report.failed] == [3, 50, 99]
    assert [failed.item for failed in report.failed] == [items[3], items[50], items[99]]
    assert (report.failed[0].code, report.failed[0].pointer) == ("bad-line", "/text")
    assert (report.items, report.chunks, report.ok) == (100, 97, False)


@pytest.mark.parametrize("bad", [range(0, 100, 7), range(100), range(40, 60), (0, 99, 98)])
def test_failures_that_are_counted_but_not_told_are_found_too(server, client, bad) -> None:
    server.errors_told = 2
    report = client.library("papers").upsert_many(chunks(100, bad=frozenset(bad)))
    assert {failed.index for failed in report.failed} == set(bad)
    assert len(report.failed) == len(bad)
    assert report.chunks == 100 - len(bad)
    written = [item["id"] for item in server.written]
    good = [f"c{number}" for number in range(100) if number not in bad]
    assert list(dict.fromkeys(written)) == list(dict.fromkeys(reversed(written)))[::-1] == good
    sizes = [len(request.content) for request in server.requests]
    assert sum(sizes) <= 4 * sizes[0]


def test_a_batch_too_large_for_the_server_is_cut_and_an_item_too_large_reported(server, client) -> None:
    server.largest_body = 700
    items = [*chunks(40), {"id": "huge", "document_id": "d0", "text": "x" * 1000}, *chunks(3)]
    report = client.library("papers").upsert_many(items, batch_bytes=100_000, concurrency=1)
    assert [failed.item["id"] for failed in report.failed] == ["huge"]
    assert report.failed[0].code == "too-large"
    assert [item["id"] for item in server.written] == [item["id"] for item in items if item["id"] != "huge"]


def test_raising_stops_at_the_first_failure_and_says_what_was_written(server, client) -> None:
    taken = []
    source = (taken.append(item) or item for item in chunks(1000, bad=frozenset({25})))
    with pytest.raises(BulkFailed, match="item 25") as caught:
        client.library("papers").upsert_many(source, batch_bytes=1000, concurrency=2, on_error="raise")
    report = caught.value.report
    assert [failed.index for failed in report.failed] == [25]
    assert report.items - 1 == len(server.written) < 100
    assert len(taken) < 200


def test_a_server_that_stays_away_ends_the_work(server, client) -> None:
    server.script(*(httpx.ConnectError("refused") for _ in range(100)))
    with pytest.raises(BulkFailed) as caught:
        client.library("papers").upsert_many(chunks(10_000), batch_bytes=1000, concurrency=1)
    assert isinstance(caught.value.__cause__, ConnectionFailed)
    assert len(server.requests) <= 4 * 3
    assert 0 < len(caught.value.report.failed) < 100


def test_a_key_that_may_not_write_ends_the_work_at_once(server, client, make_problem) -> None:
    server.script(*(make_problem(401, "unauthorized") for _ in range(10)))
    with pytest.raises(Unauthorized):
        client.library("papers").upsert_many(chunks(1000), batch_bytes=1000, concurrency=1)
    assert len(server.requests) <= 2


def test_an_error_of_the_source_is_the_callers(server, client) -> None:
    def source():
        yield from chunks(50)
        raise LookupError("row 50")

    with pytest.raises(LookupError, match="row 50"):
        client.library("papers").upsert_many(source(), batch_bytes=1000)
    with pytest.raises(TypeError, match="item 1"):
        client.library("papers").upsert_many([{"id": "d"}, 7])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quiredb-bulk")]


def test_files_are_imported_line_by_line(server, client, tmp_path) -> None:
    lines = [orjson.dumps(item) for item in chunks(5)]
    lines[3:3] = [b"", b"{broken"]
    plain, packed = tmp_path / "lines.ndjson", tmp_path / "lines.ndjson.gz"
    plain.write_bytes(b"\n".join(lines))
    packed.write_bytes(gzip.compress(b"\n".join(lines)))
    for source in (plain, str(packed), iter(lines)):
        server.written.clear()
        report = client.library("papers").import_(source, concurrency=1)
        assert [failed.line for failed in report.failed] == [5]
        assert report.failed[0].item.strip() == b"{broken"
        assert (report.items, report.chunks, len(server.written)) == (6, 5, 5)


def test_an_export_is_read_as_it_arrives_and_goes_back_in(server, client, tmp_path) -> None:
    text = "line separators \u2028 and \x85 stay inside"
    documents = [
        {"id": f"d{number}", "metadata": {}, "chunks": [{"id": f"c{number}", "text": text, "embedding": [1.0, 2.0]}]}
        for number in range(50)
    ]
    body = b"\n".join(orjson.dumps(document) for document in documents)
    pieces = [body[start : start + 37] for start in range(0, len(body), 37)]
    server.route("GET", "/v1/libraries/papers/export", lambda request: httpx.Response(200, content=iter(pieces)))
    library = client.library("papers")
    exported = list(library.export())
    assert [document["id"] for document in exported] == [document["id"] for document in documents]
    assert exported[7]["chunks"][0]["text"] == text
    np.testing.assert_array_equal(exported[7]["chunks"][0]["embedding"], np.array([1, 2], np.float32))
    assert library.upsert_many(exported).ok
    assert len(server.written) == 50
    assert list(library.export_lines()) == body.split(b"\n")
    assert library.export_to(tmp_path / "papers.ndjson") == 50
    assert (tmp_path / "papers.ndjson").read_bytes() == body + b"\n"


def test_an_export_that_is_refused_says_why(server, client, make_problem) -> None:
    refusal = make_problem(404, "not-found").content
    answer = httpx.Response(404, content=iter([refusal[:20], refusal[20:]]))
    server.route("GET", "/v1/libraries/papers/export", lambda request: answer)
    with pytest.raises(NotFound, match="not-found happened"):
        next(client.library("papers").export_lines())
    assert answer.is_closed


def test_an_export_that_is_left_early_gives_its_connection_back(server, client) -> None:
    answer = httpx.Response(200, content=(b'{"id": "d"}\n' for _ in range(1000)))
    server.route("GET", "/v1/libraries/papers/export", lambda request: answer)
    lines = client.library("papers").export_lines()
    next(lines)
    lines.close()
    assert answer.is_closed


def test_an_export_that_breaks_off_is_an_error_and_leaves_no_file(server, client, tmp_path) -> None:
    def pieces():
        yield b'{"id": "d0"}\n{"id": '
        raise httpx.RemoteProtocolError("gone")

    server.route("GET", "/v1/libraries/papers/export", lambda request: httpx.Response(200, content=pieces()))
    with pytest.raises(ConnectionFailed, match="broke off"):
        client.library("papers").export_to(tmp_path / "papers.ndjson")
    assert not (tmp_path / "papers.ndjson").exists()


def test_chunks_that_were_read_can_be_written_elsewhere(server, client) -> None:
    chunk = Chunk(id="c", document_id="d", text="t", metadata={"page": 1}, version=4, position=9)
    client.library("other").upsert_many([chunk])
    assert server.written == [{"id": "c", "document_id": "d", "text": "t", "metadata": {"page": 1}}]


def test_progress_is_told_to_a_function_until_all_is_done(server, client) -> None:
    told: list[Progress] = []
    client.library("papers").upsert_many(chunks(100), batch_bytes=1000, progress=told.append)
    assert [progress.items for progress in told] == sorted(progress.items for progress in told)
    assert (told[-1].items, told[-1].total, told[-1].failed) == (100, 100, 0)


def test_progress_is_painted_on_terminals_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    half = Progress(items=50, failed=2, bytes=2_000_000, seconds=2.0, total=100)
    for option, stream, painted in ((True, Terminal(), True), (True, io.StringIO(), False), (False, Terminal(), False)):
        reporter = Reporter(option, stream)
        reporter.update(half)
        reporter.finish(half)
        assert bool(stream.getvalue()) is painted
    assert describe(half) == f"{'█' * 12}{'░' * 12}  50%  50/100  25/s  2.0 MB  2 failed"
    assert describe(Progress(items=5, failed=0, bytes=0, seconds=0.0)) == "5 items  0/s  0.0 MB"


def test_the_asynchronous_client_writes_in_bulk_from_both_kinds_of_source(server, async_client) -> None:
    running = most = 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        return server.handle(request)

    async def source():
        for item in chunks(300, documents=20, bad=frozenset({7})):
            yield item

    async def write() -> None:
        async with async_client(handle) as client:
            library = client.library("papers")
            report = await library.upsert_many(source(), batch_bytes=1000, concurrency=3)
            assert [failed.index for failed in report.failed] == [7]
            assert (await library.upsert_many(chunks(10))).ok
            server.script(httpx.Response(200, content=b'{"id": "d0"}\n{"id": "d1"}'))
            assert [document["id"] async for document in library.export()] == ["d0", "d1"]

    asyncio.run(write())
    assert most == 3
    assert len(server.written) == 309
