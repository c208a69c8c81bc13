"""Log lines: for machines one object on each, repeats are counted instead of written, and no secret is in any."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import httpx

from quiredb.cli.logs import JsonLines, Repeats, TextLines
from tests.cli.conftest import Quire, until
from tests.cli.test_serve import serving

CANARY = "canary-5d1f"
CANARY_NUMBER = 0.1928374655


def record(message: str, *values: object, name: str = "quiredb.x") -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, values, None)


def test_a_line_for_machines_has_time_level_and_event() -> None:
    line = json.loads(JsonLines().format(record('two\nlines "%s"', "quoted")))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("time"))
    assert line == {"level": "warning", "event": "message", "source": "quiredb.x", "message": 'two\nlines "quoted"'}
    request = json.loads(JsonLines().format(record('{"event":"request","status":200}', name="quiredb.access")))
    assert (request["level"], request["event"], request["status"]) == ("warning", "request", 200)


def test_a_line_for_people_begins_with_time_and_level() -> None:
    assert re.match(r"\S+Z warning all is well$", TextLines().format(record("all is well")))


def test_repeats_are_counted_instead_of_written() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    written = [repeats.filter(record("failed: %s", number)) for number in range(30)]
    assert written == [True] * 10 + [False] * 20
    assert repeats.filter(record("another"))
    assert all(repeats.filter(record("{}", name="quiredb.access")) for _ in range(30))
    now = 61.0
    late = record("failed: %s", "late")
    assert repeats.filter(late)
    assert late.getMessage() == "failed: late (20 like this were left out)"


def test_a_servers_log_tells_of_every_request_and_of_no_secret(tmp_path: Path, quire: Quire) -> None:
    made = quire("key", "create", "--name", "me", "--data", tmp_path / "data", "--json")
    key = made.json["key"]
    with serving(tmp_path / "data", "--log-format", "json", "--log-level", "debug") as server:
        url = server.url
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as client:
            ask(client)
        assert httpx.get(f"{url}/v1/libraries", headers={"authorization": f"Bearer {CANARY}"}).status_code == 401
        assert server.end() == 0
        said = server.said
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    others = [line for line in said.splitlines() if not line.startswith("{")]
    assert all(not line.startswith(("20", "Traceback")) for line in others), others
    requests = [line for line in lines if line["event"] == "request"]
    (put,) = [line for line in requests if line["method"] == "PUT" and line["route"] == "/v1/libraries/{library}"]
    assert (put["library"], put["key_id"], put["status"], put["code"]) == ("kept", made.json["id"], 201, None)
    refused = [line["code"] for line in requests if line["code"]]
    assert sorted(refused) == ["malformed-json", "unauthenticated", "validation"]
    for secret in (CANARY, str(CANARY_NUMBER), key, key.rpartition("_")[2]):
        assert secret not in said


def ask(client: httpx.Client) -> None:
    """Requests that carry secrets, good ones and bad ones."""

    def send(method: str, path: str, expected: int, body: Any = None, **given: Any) -> None:
        response = client.request(method, path, json=body, **given)
        assert response.status_code == expected, response.text

    chunk = {"text": CANARY, "embedding": [CANARY_NUMBER, 1, 2], "metadata": {"attributes": {"a": CANARY}}}
    send("PUT", "/v1/libraries/kept", 201, {"dimension": 3, "metadata": {"description": CANARY}})
    send("PUT", "/v1/libraries/kept/documents/d", 201, {"chunks": [chunk]})
    send("POST", "/v1/libraries/kept/search", 200, {"vector": [CANARY_NUMBER, 1, 2]})
    send("POST", "/v1/libraries/kept/search", 422, {"vector": [CANARY_NUMBER, 1], "k": CANARY})
    headers = {"content-type": "application/json"}
    send("POST", "/v1/libraries/kept/search", 400, content=f'{{"{CANARY}": }}', headers=headers)
