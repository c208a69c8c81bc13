"""Requests made from the OpenAPI document, valid and invalid ones: `python -m reliability.api --count 10000`.

Schemathesis makes the cases; a real server answers them. Each answer must have a status, headers and a body that the
document describes, and none may be a 5xx. Half of the cases name resources that exist, so that they get past 404.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import orjson
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.core.errors import UnsupportedSchema
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from quiredb.api.application import describe
from quiredb.domain.keys import KeyDraft
from quiredb.domain.limits import DIMENSION_MAX
from quiredb.repositories.keys import create_key
from reliability.command_line import Rig, run_rig
from reliability.records import Record
from reliability.servers import Nursery

LIBRARY, DOCUMENT, CHUNK = "standing", "document", "chunk"
DIMENSION = 4
CHUNKS = [
    {"id": f"{CHUNK}{number or ''}", "text": "text", "embedding": [number % 7 + 1.0, number % 5, number % 3, 1]}
    for number in range(40)
]
KNOWN = {"library": LIBRARY, "document": DOCUMENT, "chunk": CHUNK}
PRECONDITIONS = ("If-Match", "If-None-Match", "X-Quire-Min-Position")
AWAITS, AWAITED_MILLISECONDS = "X-Quire-Min-Position", "X-Quire-Max-Wait-Ms"
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SECONDS_A_CASE_MAX = 10
PLANTED = {
    "api.undescribed_status": ("create_document", "202"),
    "api.answers_without_version": ("get_library", "version"),
    "api.unexpected_error": ("count_chunks", "500"),
}
"""Bugs with an operation that shows each, and a sign of it."""
CASES_TO_SEE = 40
ROUNDS_MAX = 20


@schemathesis.serializer("application/x-ndjson")
def _as_lines(_: Any, value: Any) -> bytes:
    """One JSON value a line; a list is its items."""
    lines = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _read(operation: Any) -> Any:
    """An operation of the document; what is wrong with it is raised."""
    if isinstance(operation, Err):
        raise operation.err()
    return operation.ok()


class Examiner:
    """Sends cases to one server and counts what came back."""

    def __init__(self, url: str, key: str, document: dict[str, Any], only: str = "") -> None:
        found = [_read(one) for one in schemathesis.openapi.from_dict(document).get_all_operations()]
        self.operations = [operation for operation in found if only in {"", operation.definition.raw["operationId"]}]
        self.statuses: Counter[str] = Counter()
        self.violations: dict[str, str] = {}
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._mode = schemathesis.GenerationMode.POSITIVE

    @property
    def cases(self) -> int:
        """How many were answered."""
        return sum(number for what, number in self.statuses.items() if what.endswith("xx"))

    def examine(self, count: int, seed: int) -> None:
        """At least `count` cases, valid and as many invalid ones of each operation.

        Of some operations fewer can be made than were asked for: further seeds make cases of one operation after the
        other until there are enough.
        """
        for round_ in range(ROUNDS_MAX):
            examples = -(-(count - self.cases) // (2 * len(self.operations)))
            for operation in self.operations:
                if self.cases >= count and round_ > 0:
                    return
                for mode in schemathesis.GenerationMode:
                    self._mode = mode
                    self._furnish()
                    self._examine(operation, max(1, examples), seed + round_)

    def _furnish(self) -> None:
        """Put back what earlier cases removed."""
        library = f"{self._url}/v1/libraries/{LIBRARY}"
        self._session.put(library, json={"dimension": DIMENSION}, timeout=SECONDS_A_CASE_MAX)
        self._session.put(f"{library}/documents/{DOCUMENT}", json={"chunks": CHUNKS}, timeout=SECONDS_A_CASE_MAX)

    def _examine(self, operation: Any, examples: int, seed: int) -> None:
        strategy = operation.as_strategy(generation_mode=self._mode)

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=strategy, standing=st.sampled_from([True, True, True, False]))
        def send(case: Any, standing: bool) -> None:
            self._send(case, standing)

        try:
            send()
        except (hypothesis.errors.Unsatisfiable, UnsupportedSchema):
            self.statuses["operations without such cases"] += 1

    def _send(self, case: Any, standing: bool) -> None:
        if standing and case.path_parameters:
            case.path_parameters.update({name: KNOWN[name] for name in case.path_parameters.keys() & KNOWN.keys()})
        if standing:
            for name in PRECONDITIONS:
                case.headers.pop(name, None)
        awaits = AWAITS in case.headers
        if awaits:
            case.headers[AWAITED_MILLISECONDS] = "1"
        operation = f"{case.method} {case.path}"
        try:
            response = case.call(base_url=self._url, session=self._session, timeout=SECONDS_A_CASE_MAX)
        except requests.RequestException as error:
            self._violate(operation, f"no answer: {error!r}", case)
            return
        self.statuses[f"{response.status_code // 100}xx"] += 1
        if response.status_code >= 500 and not (awaits and response.status_code == 503):
            self._violate(operation, f"status {response.status_code}", case)
        # A path that names something standing is a valid one again, so only the untouched cases must be refused.
        rejecting = [negative_data_rejection] if self._is_negative and not standing else []
        try:
            case.validate_response(response, checks=[*CHECKS, *rejecting])
        except FailureGroup as failures:
            for failure in failures.exceptions:
                self._violate(operation, " ".join(str(failure).split())[:200], case)

    @property
    def _is_negative(self) -> bool:
        return self._mode is schemathesis.GenerationMode.NEGATIVE

    def _violate(self, operation: str, what: str, case: Any) -> None:
        self.violations.setdefault(f"{operation}: {what}", case.as_curl_command())


def narrowed(document: Any) -> Any:
    """The document with vectors of the standing library's dimension, so that valid cases are also welcome ones."""
    if isinstance(document, list):
        return [narrowed(one) for one in document]
    if not isinstance(document, dict):
        return document
    if document.get("type") == "array" and document.get("maxItems") == DIMENSION_MAX:
        return {**document, "minItems": DIMENSION, "maxItems": DIMENSION}
    return {name: narrowed(value) for name, value in document.items()}


def prove(folder: Path, count: int, seed: int, bugs: Sequence[str] = (), only: str = "") -> Record:
    """At least `count` cases against a server of its own, with bugs planted; `only` names one operation."""
    started = time.monotonic()
    _, key = create_key(folder / "data", KeyDraft("everything"))
    with Nursery(bugs) as nursery:
        server = nursery.start(folder / "data")
        server.wait_until_ready()
        url = f"http://127.0.0.1:{server.port}"
        examiner = Examiner(url, key, narrowed(orjson.loads(describe())), only)
        examiner.examine(count, seed)
        server.end()
    violations = [f"{what}; repeat: {curl}" for what, curl in examiner.violations.items()]
    if examiner.cases < count:
        violations.append(f"only {examiner.cases} of {count} cases could be made in {ROUNDS_MAX} rounds")
    counts: Mapping[str, int] = {
        "cases": examiner.cases,
        "operations": len(examiner.operations),
        **dict(sorted(examiner.statuses.items())),
    }
    command = f"python -m reliability.api --count {count} --seed {seed}"
    return Record("api", command, seed, time.monotonic() - started, counts, violations)


def run(count: int, seed: int) -> Record:
    """At least `count` cases of all operations."""
    with tempfile.TemporaryDirectory() as folder:
        return prove(Path(folder), count, seed)


def catch(bug: str, seed: int) -> str | None:
    """What the rig says of a planted bug, or None."""
    only, sign = PLANTED[bug]
    with tempfile.TemporaryDirectory() as folder:
        record = prove(Path(folder), CASES_TO_SEE, seed, [bug], only)
    return next((violation.partition(";")[0] for violation in record.violations if sign in violation), None)


if __name__ == "__main__":
    sys.exit(run_rig(Rig(run, count=10_000, bugs=list(PLANTED), catch=catch), __doc__))
