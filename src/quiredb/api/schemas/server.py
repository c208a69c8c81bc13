"""What the server says about itself."""

from typing_extensions import TypedDict

from quiredb.domain.operating import Condition, StartProgress


class AliveAnswer(TypedDict):
    """The process answers."""

    status: str


class CheckAnswer(TypedDict):
    """One condition of readiness."""

    name: str
    ok: bool
    detail: str


class ReadyAnswer(TypedDict):
    """Whether requests should come now, and what is missing.

    `status` is ready, degraded (some libraries or writes are refused, the rest is served), starting, failed, draining
    or not-ready.
    """

    status: str
    checks: list[CheckAnswer]


class StartAnswer(TypedDict):
    """How far the start is: started, starting or failed; steps `done` of `total`, 0 where they cannot be counted."""

    status: str
    step: str
    done: int
    total: int


class VersionAnswer(TypedDict):
    """Versions of the program, the contract and the data folder, and the processor level of the search kernels."""

    version: str
    api: str
    format: str
    kernels: str


class LimitsAnswer(TypedDict):
    """The largest sizes and counts that the server takes; the unit is in the name."""

    id_characters_max: int
    dimension_max: int
    text_bytes_max: int
    chunks_per_document_max: int
    chunk_position_max: int
    batch_operations_max: int
    search_batch_max: int
    search_k_max: int
    list_limit_default: int
    list_limit_max: int
    string_field_characters_max: int
    tags_max: int
    tag_characters_max: int
    attributes_max: int
    attribute_name_characters_max: int
    attribute_list_max: int
    metadata_bytes_max: int
    number_magnitude_max: int
    filter_depth_max: int
    filter_conditions_max: int
    filter_values_max: int
    head_bytes_max: int
    headers_max: int
    url_bytes_max: int
    head_seconds_max: int
    body_bytes_per_second_min: int
    body_seconds_judged: int
    import_seconds_silent_max: int
    answer_seconds_unread_max: int
    failed_logins_per_minute_max: int
    requests_at_once_max: int
    requests_per_second_max: int
    errors_reported_max: int
    idempotency_key_characters_max: int
    idempotency_hours: int
    backup_blocks_max: int
    body_bytes_max: int
    import_line_bytes_max: int
    json_depth_max: int
    recall_queries_max: int
    wait_ms_max: int


def ready_answer(condition: Condition, *, in_full: bool) -> ReadyAnswer:
    """The readiness report, or its word alone."""
    checks: list[CheckAnswer] = [
        {"name": check.name, "ok": check.ok, "detail": check.detail} for check in condition.checks
    ]
    return {"status": condition.status, "checks": checks if in_full else []}


def start_answer(progress: StartProgress | None, *, in_full: bool) -> StartAnswer:
    """How far the start is, with or without what it is busy with."""
    if progress is None:
        return {"status": "started", "step": "", "done": 0, "total": 0}
    status = "failed" if progress.failed else "starting"
    step = progress.step if in_full else ""
    return {"status": status, "step": step, "done": progress.done, "total": progress.total}
