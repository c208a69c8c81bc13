"""The house rules that a machine can judge; each rule yields (line, subject, complaint) for one Python file."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
KERNEL_LINES_MAX = 90
DRAWER_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

FILE_MODULES = {"fcntl", "fileinput", "glob", "mmap", "shutil", "tempfile"}
FILE_ACCESS = {
    "storage/audit_log.py": "an appended log beside the record, which may be on another disk and may lose its end",
    "storage/disk.py": "the module",
    "storage/backup": "what is read here is held against digests; what is written goes through storage/files.py",
    "storage/probing.py": "questions about a folder that nobody has open",
    "storage/machine.py": "what the kernel tells of this machine; nothing is written",
    "cli/": "files that the user names: documents in, exports out",
    "embedders/configuration.py": "the configuration that the operator names, read once",
    "indexes/kernel_cache.py": "compiled code, made again when it is gone",
    "indexes/vector_index_folder.py": "indexes of arrays that have no library",
}
"""Who may touch files, and why no simulated disk is needed there."""
UNPICKLERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}
RUNNERS = {"extractall", "mktemp", "system", "popen", "literal_eval", "unpack_archive"}
HARMLESS_OS_CALLS = {"cpu_count", "fspath", "getenv", "getpid", "kill", "sched_getaffinity", "urandom"}
PATH_QUESTIONS = {
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "iterdir",
    "lstat",
    "read_bytes",
    "rmdir",
    "stat",
    "touch",
}
PATH_CALLS = {"chmod", "glob", "hardlink_to", "mkdir", "read_text", "rglob", "symlink_to", "unlink", "write_bytes"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root of the checkout, and its text."""

    path: PurePosixPath
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule. `subject` names what broke it without a line number, so that an allow-list survives edits."""

    path: str
    line: int
    subject: str
    complaint: str

    @property
    def key(self) -> str:
        """How an allow-list names this finding."""
        return f"{self.path}: {self.subject}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.subject}: {self.complaint}"


Rule = Callable[[Source], Iterator[Finding]]


def short_files(source: Source) -> Iterator[Finding]:
    """A file has one subject."""
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield Finding(
            str(source.path), lines, "file", f"{lines} lines, more than {FILE_LINES_MAX}: split it by subject"
        )


def short_functions(source: Source) -> Iterator[Finding]:
    """A function does one thing; a compiled kernel may be longer."""
    longest = KERNEL_LINES_MAX if "indexes/kernels/" in str(source.path) else FUNCTION_LINES_MAX
    for function in functions(source.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > longest:
            yield finding(source, function, function.name, f"{lines} lines, more than {longest}")


def no_drawers(source: Source) -> Iterator[Finding]:
    """A module is named for what it is about."""
    names = {*source.path.parts[:-1], source.path.stem}
    for name in sorted(names & DRAWER_NAMES):
        yield Finding(str(source.path), 1, name, "a drawer, not a subject: name the module for what it holds")


def imports_on_top(source: Source) -> Iterator[Finding]:
    """Imports show what a module depends on, so they stand where they are seen."""
    for function in functions(source.tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield finding(source, node, function.name, "imports inside a function")


def no_leftovers(source: Source) -> Iterator[Finding]:
    """The repository is finished at every commit."""
    leftover = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b|\bfor " + r"now\b", re.IGNORECASE)
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        is_prose = token.type == tokenize.COMMENT or (token.type == tokenize.STRING and '"""' in token.string)
        if is_prose and (found := leftover.search(token.string)):
            yield Finding(str(source.path), token.start[0], found[0], "a note to oneself: do it, or leave it out")


def no_prints(source: Source) -> Iterator[Finding]:
    """Only the command line speaks to a terminal; the rest logs, answers or raises."""
    if "cli" in source.path.parts or source.path.parts[0] in {"bench", "examples", "reliability", "scripts"}:
        return
    if source.path.parts[:2] == ("client", "scripts"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}:
            yield finding(source, node, node.func.id, "prints outside the command line")


def no_blanket_excepts(source: Source) -> Iterator[Finding]:
    """Catch what is expected by name. Catching everything is only for cleaning up on the way out (a bare raise)."""
    for function in [None, *functions(source.tree)]:
        for node in own_nodes(function or source.tree):
            if not isinstance(node, ast.ExceptHandler) or not catches_everything(node.type):
                continue
            last = node.body[-1]
            if not (isinstance(last, ast.Raise) and last.exc is None):
                yield finding(source, node, function.name if function else "module", "catches everything")


def files_through_one_module(source: Source) -> Iterator[Finding]:
    """Only `storage/disk.py` touches what is to last: what goes past it no simulated disk can fail or lose."""
    inner = str(source.path).removeprefix("src/quiredb/")
    if inner == str(source.path) or inner.startswith(tuple(FILE_ACCESS)):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module}
            if touched := sorted(FILE_MODULES & modules):
                yield finding(source, node, f"import {touched[0]}", "touches files past storage/disk.py")
        elif isinstance(node, ast.Call) and (name := _file_call(node)):
            yield finding(source, node, name, "touches files past storage/disk.py")


def _file_call(call: ast.Call) -> str | None:
    """The name of a call that touches files, or None."""
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" else None
    if not isinstance(function, ast.Attribute):
        return None
    if isinstance(function.value, ast.Name) and function.value.id == "os":
        return None if function.attr in HARMLESS_OS_CALLS else f"os.{function.attr}"
    if function.attr == "open":
        modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        return "open" if any(isinstance(mode, str) and set(mode) <= set("rwaxbt+") for mode in modes) else None
    if function.attr in {"replace", "rename"}:
        return function.attr if len(call.args) == 1 and not call.keywords else None
    if function.attr in PATH_QUESTIONS and not call.args:
        return function.attr
    return function.attr if function.attr in {*PATH_CALLS, "write_text"} else None


def catches_everything(caught: ast.expr | None) -> bool:
    """Whether an except clause names no exception, or the root of all."""
    if caught is None:
        return True
    members = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(member, ast.Name) and member.id in {"BaseException", "Exception"} for member in members)


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function of a file, methods and inner functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def own_nodes(parent: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `parent` that do not belong to a function inside it."""
    for child in ast.iter_child_nodes(parent):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from own_nodes(child)


def finding(source: Source, node: ast.stmt | ast.expr | ast.ExceptHandler, subject: str, complaint: str) -> Finding:
    """A finding at the line of a node."""
    return Finding(str(source.path), node.lineno, subject, complaint)


def nothing_runs_data(source: Source) -> Iterator[Finding]:
    """The product never turns data into code, shell, SQL or names of files."""
    if source.path.parts[0] not in {"src", "client", "scripts"} or "tests" in source.path.parts:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module}
            for module in sorted(UNPICKLERS & modules):
                yield finding(source, node, f"import {module}", "can run what it reads")
        elif isinstance(node, ast.Call) and (name := _dangerous(node)):
            yield finding(source, node, name, "may run or follow what it is given")


def _dangerous(call: ast.Call) -> str | None:
    """What is dangerous about a call, or None."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in RUNNERS or (isinstance(call.func, ast.Name) and name in {"eval", "exec", "compile"}):
        return name
    for keyword in call.keywords:
        on = not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        if keyword.arg in {"shell", "allow_pickle"} and on:
            return f"{keyword.arg}=True"
    made = call.args and isinstance(call.args[0], ast.JoinedStr | ast.BinOp)
    return "SQL put together" if made and name in {"execute", "executemany", "fetch", "fetch_one"} else None


RULES: tuple[Rule, ...] = (
    short_files,
    short_functions,
    no_drawers,
    imports_on_top,
    no_leftovers,
    no_prints,
    no_blanket_excepts,
    files_through_one_module,
    nothing_runs_data,
)
