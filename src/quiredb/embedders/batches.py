"""Many texts in requests of the size that a provider takes."""

from collections.abc import Callable, Sequence

from quiredb.domain.chunk import Embedding


def in_batches(
    texts: Sequence[str], batch_size: int, embed: Callable[[Sequence[str]], list[Embedding]]
) -> list[Embedding]:
    """What `embed` gives for slices of at most `batch_size` texts, in order."""
    embeddings: list[Embedding] = []
    for start in range(0, len(texts), batch_size):
        embeddings += embed(texts[start : start + batch_size])
    return embeddings
