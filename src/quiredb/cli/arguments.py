"""Types of options that are more than one word: JSON objects, vectors, embedders."""

import json
from pathlib import Path
from typing import Any

import click

from quiredb.settings import byte_count


class JsonObject(click.ParamType[dict[str, Any], Any]):
    """A JSON object, such as a filter."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The object, or a usage error."""
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError as error:
            self.fail(f"not JSON: {error}", param, ctx)
        if not isinstance(parsed, dict):
            self.fail('not a JSON object such as \'{"tags": {"contains": "news"}}\'', param, ctx)
        return parsed


class ByteCount(click.ParamType[int, Any]):
    """A number of bytes: 1048576, 512K, 700M, 4G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error."""
        try:
            return byte_count(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a size such as 700M or 4G", param, ctx)


class Vector(click.ParamType[list[float] | dict[str, str], Any]):
    """A vector: an array of numbers, or an object with "b64" and "dtype" as the API takes it."""

    name = "vector"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float] | dict[str, str]:
        """The vector, or a usage error."""
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError as error:
            self.fail(f"not JSON: {error}", param, ctx)
        if not _is_vector(parsed):
            self.fail('neither an array of numbers nor {"b64": "...", "dtype": "f32"}', param, ctx)
        vector: list[float] | dict[str, str] = parsed
        return vector


def _is_vector(parsed: Any) -> bool:
    if isinstance(parsed, dict):
        return isinstance(parsed.get("b64"), str)
    return isinstance(parsed, list) and bool(parsed) and all(type(item) in {int, float} for item in parsed)


class VectorFile(Vector):
    """A file that holds a vector as JSON."""

    name = "file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[float] | dict[str, str]:
        """The vector in the file, or a usage error."""
        try:
            text = Path(value).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"cannot read {value!r}: {error}", param, ctx)
        return super().convert(text, param, ctx)


class EmbedderName(click.ParamType[dict[str, str], Any]):
    """An embedder as PROVIDER/MODEL."""

    name = "provider/model"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Provider and model as the API takes them, or a usage error."""
        provider, slash, model = value.partition("/")
        if not (provider and slash and model):
            self.fail("not of the form PROVIDER/MODEL, for example cohere/embed-v4.0", param, ctx)
        return {"provider": provider, "model": model}
