"""Searching only among the chunks that match: fields of the chunk, fields of its document, and, or, not.

python examples/02_filters.py
"""

from quiredb_client import F
from sample import LIBRARY, connect, sample_library, sample_queries, show

FILTERS = {
    "everything": None,
    "only the Rust book": F.doc.source == "rust-book",
    "chunks tagged as code": F.tags.contains("code"),
    "titles with 'switch', or PEPs": F.doc.title.icontains("switch") | (F.doc.source == "peps"),
    "short chunks that are not from tldr": (F.attributes.words < 30) & ~F.tags.contains("tldr"),
    "written after 2000, as plain JSON": {"created_at": {"gt": "2000-01-01T00:00:00Z"}},
}

with connect() as client:
    sample_library(client)
    docs = client.library(LIBRARY)
    query = sample_queries()[1346]
    print(f"The query: {query['text']}\n")
    for name, condition in FILTERS.items():
        found = docs.search(vector=query["vector"], k=2, filter=condition, include=["text", "document"])
        show(f"{name}: {docs.count(condition):,} chunks match", found)
