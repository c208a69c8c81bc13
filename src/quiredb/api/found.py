"""What searches found, as JSON: hits arrive as pieces of JSON and are joined, not built and encoded again."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat, zip_longest

from quiredb.api.answers import EncodedAnswer, encoded
from quiredb.api.schemas.documents import document_answer
from quiredb.api.schemas.search import PlanAnswer, SearchBody, milliseconds
from quiredb.api.vectors import encode_vector
from quiredb.domain.search import Hits, SearchAnswer, SearchPlan


def found_answer(answer: SearchAnswer, body: SearchBody) -> EncodedAnswer:
    """The answer to one search, a `SearchResultAnswer`."""
    return EncodedAnswer(b"".join(_result(answer, body, _ending(answer))), position=answer.position)


def found_batch_answer(answers: Sequence[SearchAnswer], bodies: Sequence[SearchBody]) -> EncodedAnswer:
    """The answer to several searches, a `SearchBatchAnswer`."""
    pieces = [b'{"results":[']
    ending = _ending(answers[0])  # of one view, and each has taken its share of the time
    for answer, body in zip(answers, bodies, strict=True):
        pieces += _result(answer, body, ending)
        pieces.append(b",")
    pieces[-1] = b"]}"
    return EncodedAnswer(b"".join(pieces), position=answers[0].position)


def _ending(answer: SearchAnswer) -> bytes:
    return b'],"position":%d,"took_ms":%b' % (answer.position, encoded(milliseconds(answer.took_seconds)))


def _result(answer: SearchAnswer, body: SearchBody, ending: bytes) -> list[bytes]:
    """The pieces of a `SearchResultAnswer`."""
    hits = answer.hits
    pieces = [b'{"hits":[']
    if hits.embeddings or hits.documents:
        pieces += _hits(hits, _extras(hits, b64=body.vector_encoding == "b64"))
    else:
        pieces += _hits(hits, repeat(b"}", len(hits.chunks)))
    pieces.append(ending)
    if answer.plan is not None:
        pieces += (b',"plan":', encoded(_plan_answer(answer.plan)))
    pieces.append(b"}")
    return pieces


def _hits(hits: Hits, endings: Iterable[bytes]) -> list[bytes]:
    """The pieces of all `HitAnswer`s, with what each ends with."""
    pieces: list[bytes] = []
    columns = zip(hits.chunks, _numbers(hits.scores), _numbers(hits.distances), endings, strict=True)
    for (names, contents), score, distance, ending in columns:
        pieces += (b",{", names, b',"score":', score, b',"distance":', distance, b",", contents, ending)
    pieces[:1] = [b"{"] if pieces else []
    return pieces


def _extras(hits: Hits, *, b64: bool) -> Iterator[bytes]:
    """What few searches ask for, and the end of each hit."""
    for embedding, document in zip_longest(hits.embeddings, hits.documents):
        ending = b"}" if document is None else b',"document":%b}' % encoded(document_answer(document))
        if embedding is not None:
            ending = b',"embedding":%b%b' % (encoded(encode_vector(embedding, b64=b64)), ending)
        yield ending


def _numbers(values: Sequence[float]) -> list[bytes]:
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
