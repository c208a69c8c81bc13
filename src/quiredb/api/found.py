"""What searches found, as JSON: hits arrive as pieces of JSON and are joined, not built and encoded again."""

from collections.abc import Sequence

from quiredb.api.answers import EncodedAnswer, encoded
from quiredb.api.schemas.documents import document_answer
from quiredb.api.schemas.search import PlanAnswer, SearchBody, milliseconds
from quiredb.api.vectors import encode_vector
from quiredb.domain.search import SearchAnswer, SearchPlan


def found_answer(answer: SearchAnswer, body: SearchBody) -> EncodedAnswer:
    """The answer to one search, a `SearchResultAnswer`."""
    return EncodedAnswer(b"".join(_result(answer, body)), position=answer.position)


def found_batch_answer(answers: Sequence[SearchAnswer], bodies: Sequence[SearchBody]) -> EncodedAnswer:
    """The answer to several searches, a `SearchBatchAnswer`."""
    pieces = [b'{"results":[']
    for answer, body in zip(answers, bodies, strict=True):
        pieces += _result(answer, body)
        pieces.append(b",")
    pieces[-1] = b"]}"
    return EncodedAnswer(b"".join(pieces), position=answers[0].position)


def _result(answer: SearchAnswer, body: SearchBody) -> list[bytes]:
    """The pieces of a `SearchResultAnswer`."""
    hits = answer.hits
    scores, distances = _numbers([hit.score for hit in hits]), _numbers([hit.distance for hit in hits])
    b64 = body.vector_encoding == "b64"
    pieces = [b'{"hits":[']
    for hit, score, distance in zip(hits, scores, distances, strict=True):
        names, contents = hit.chunk
        pieces += (b"{", names, b',"score":', score, b',"distance":', distance, b",", contents)
        if hit.embedding is not None:
            pieces += (b',"embedding":', encoded(encode_vector(hit.embedding, b64=b64)))
        if hit.document is not None:
            pieces += (b',"document":', encoded(document_answer(hit.document)))
        pieces.append(b"},")
    if hits:
        pieces[-1] = b"}"
    pieces.append(b'],"position":%d,"took_ms":%b' % (answer.position, encoded(milliseconds(answer.took_seconds))))
    if answer.plan is not None:
        pieces += (b',"plan":', encoded(_plan_answer(answer.plan)))
    pieces.append(b"}")
    return pieces


def _numbers(values: list[float]) -> list[bytes]:
    """Each number as JSON; encoded together."""
    return encoded(values)[1:-1].split(b",") if values else []


def _plan_answer(plan: SearchPlan) -> PlanAnswer:
    return {
        "matching": plan.matching,
        "total": plan.total,
        "filter_ms": milliseconds(plan.filter_seconds),
        "parts": [
            {
                "segment": part.segment,
                "strategy": part.strategy,
                "rows": part.rows,
                "matching": part.matching,
                "effort": part.effort,
            }
            for part in plan.parts
        ],
    }
