"""Generate `_sync` from `_async`: the same code without `async` and `await`, threads in place of asyncio.

    python client/scripts/unasync.py            write the files
    python client/scripts/unasync.py --check    exit 1 when a file is not current

Works on tokens, so that words inside strings and comments stay as they are.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tokenize
from itertools import pairwise
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "quiredb_client"
SOURCE = PACKAGE / "_async"
TARGET = PACKAGE / "_sync"
HEADER = "# Generated from _async by client/scripts/unasync.py; change the source and run it again.\n"

DROPPED = {"async", "await"}
RENAMED = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "aclose": "close",
    "aio": "threads",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
}
PACKAGE_DOCSTRING = '"""The client that waits; generated from `_async`."""\n'


def generate(source: str) -> str:
    """The synchronous twin of a module, formatted."""
    lines = source.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token, following in reversed(list(pairwise(tokens))):
        row, start = token.start[0] - 1, token.start[1]
        if token.type != tokenize.NAME:
            continue
        if token.string in DROPPED:
            lines[row] = lines[row][:start] + lines[row][following.start[1] :]
        else:
            lines[row] = lines[row][:start] + _sync_name(token.string) + lines[row][token.end[1] :]
    return _formatted(HEADER + "".join(lines))


def targets() -> dict[Path, str]:
    """Each generated file and what it should hold."""
    generated = {TARGET / path.name: generate(path.read_text("utf-8")) for path in sorted(SOURCE.glob("*.py"))}
    generated[TARGET / "__init__.py"] = HEADER + PACKAGE_DOCSTRING
    return generated


def stale() -> list[Path]:
    """The files that are not what their source says, or have no source."""
    wanted = targets()
    wrong = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    return wrong + [path for path in TARGET.glob("*.py") if path not in wanted]


def main() -> int:
    """Write or check; returns the exit status."""
    wrong = stale()
    if "--check" in sys.argv[1:]:
        sys.stderr.writelines(f"not current: {path.relative_to(PACKAGE)}\n" for path in wrong)
        return 1 if wrong else 0
    TARGET.mkdir(exist_ok=True)
    wanted = targets()
    for path in wrong:
        if path in wanted:
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return 0


def _sync_name(name: str) -> str:
    if name.startswith("Async") and name[5:6].isupper():
        return name[5:]
    return RENAMED.get(name, name)


def _formatted(text: str) -> str:
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        text = subprocess.run(
            [
                *(sys.executable, "-m", "ruff", *command),
                *("--stdin-filename", str(TARGET / "module.py"), "-"),
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


if __name__ == "__main__":
    sys.exit(main())
