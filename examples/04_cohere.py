"""Texts in, texts out: the library embeds by Cohere what you write and what you ask.

    CO_API_KEY=... python examples/04_cohere.py

With QUIRE_URL set, the key belongs into the environment of the server, not of this script.
"""

import os
import sys

from sample import connect, delete_if_there, show

TEXTS = {
    "cats": "Cats sleep for most of the day and hunt at dawn and dusk.",
    "bread": "Sourdough rises because wild yeast and bacteria ferment the flour.",
    "orbits": "A satellite in low orbit circles the Earth in about ninety minutes.",
}
KEYS = ("CO_API_KEY", "COHERE_API_KEY")

if not os.environ.get("QUIRE_URL") and not any(os.environ.get(name) for name in KEYS):
    sys.exit("This example needs a key of Cohere: set CO_API_KEY in the environment and run it again.")

with connect() as client:
    delete_if_there(client, "texts")
    # The model, its dimension and its input types for documents and queries are remembered with the library.
    client.libraries.create("texts", dimension=256, embedder={"provider": "cohere", "model": "embed-v4.0"})
    texts = client.library("texts")
    texts.documents.put("facts", chunks=[{"id": name, "text": text} for name, text in TEXTS.items()])

    for question in ("Which animal is active at twilight?", "How does dough become light?"):
        show(question, texts.search(text=question, k=1, include=["text"]))
