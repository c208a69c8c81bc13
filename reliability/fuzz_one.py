"""One decoder under libFuzzer's rule: `python -m reliability.fuzz_one NAME [BUG ...] -- [libFuzzer options] FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["quiredb.api", "quiredb.domain", "quiredb.storage"]):
    from reliability.decoders import DECODERS, examine, samples_of
    from reliability.planted import plant


def run(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    at = arguments.index("--")
    name, *bugs = arguments[:at]
    options = arguments[at + 1 :]
    corpus = Path(options[-1])
    for number, sample in enumerate(samples_of(name)):
        (corpus / f"sample-{number}").write_bytes(sample)
    for bug in bugs:
        plant(bug)
    decoder = DECODERS[name]
    atheris.Setup([sys.argv[0], *options], lambda raw: examine(decoder, raw))
    atheris.Fuzz()


if __name__ == "__main__":
    run(sys.argv[1:])
