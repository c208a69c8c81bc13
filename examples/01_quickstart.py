"""A library, a few documents, a search.

    python examples/01_quickstart.py

Works in process on the folder ./quire-examples; with QUIRE_URL set, on that server.
"""

from sample import LIBRARY, connect, delete_if_there, sample_library, sample_queries, show

COLOURS = {
    "sunset": ("A red evening sky over the sea.", [0.9, 0.3, 0.2]),
    "meadow": ("Green grass after the rain.", [0.2, 0.8, 0.3]),
    "ocean": ("Deep blue water without a wave.", [0.1, 0.3, 0.9]),
}

with connect() as client:
    # 1. A library of your own: vectors of three numbers, compared by angle.
    delete_if_there(client, "colours")
    client.libraries.create("colours", dimension=3, metric="cosine", metadata={"title": "Colours"})
    colours = client.library("colours")

    # 2. A document holds chunks in order; a chunk is text, a vector and metadata. One call is one commit.
    chunks = [{"id": name, "text": text, "embedding": vector} for name, (text, vector) in COLOURS.items()]
    colours.documents.put("pictures", metadata={"title": "Pictures"}, chunks=chunks)

    # 3. The nearest to orange. What was written is found at once.
    show("something orange", colours.search(vector=[1.0, 0.6, 0.1], k=2, include=["text", "document"]))

    # 4. The same with real embeddings: 3,000 passages of documentation.
    sample_library(client)
    query = sample_queries()[1145]
    show(query["text"], client.library(LIBRARY).search(vector=query["vector"], k=3, include=["text", "document"]))
