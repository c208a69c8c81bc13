"""The embedder configuration as a TOML file. docs/embedders.md describes the format."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quiredb.domain.errors import ValidationFailed
from quiredb.domain.identifiers import is_identifier
from quiredb.domain.limits import DIMENSION_MAX
from quiredb.embedders.providers import (
    COHERE_BATCH_MAX,
    COHERE_KEY_NAMES,
    COHERE_MODELS,
    EmbedderConfiguration,
    ModelConfiguration,
    ProviderConfiguration,
    ProviderType,
    default_configuration,
    first_key,
)

_BATCH_MAX = {ProviderType.COHERE: COHERE_BATCH_MAX, ProviderType.OPENAI: 2048, ProviderType.SENTENCE_TRANSFORMERS: 256}
_BATCH_DEFAULT = {
    ProviderType.COHERE: COHERE_BATCH_MAX,
    ProviderType.OPENAI: 96,
    ProviderType.SENTENCE_TRANSFORMERS: 32,
}
_ENCODINGS = ("float", "base64")


def load_configuration(path: Path | None, environment: Mapping[str, str]) -> EmbedderConfiguration:
    """The providers that the TOML file at `path` lists, with their keys from `environment`.

    Without a file: Cohere with its well-known models.

    Raises:
        ValidationFailed: the file cannot be read or says something impossible; the pointer names the place in it.
    """
    if path is None:
        return default_configuration(environment)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid("", f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _invalid("", f"{path}: is not TOML ({error})") from error
    root = _Table(document, "", str(path))
    providers = root.tables("providers")
    root.refuse_others()
    if not providers:
        raise root.invalid("providers", "lists no provider; add a table [providers.NAME]")
    return EmbedderConfiguration({name: _provider(name, table, environment) for name, table in providers.items()})


def _provider(name: str, table: "_Table", environment: Mapping[str, str]) -> ProviderConfiguration:
    if not is_identifier(name):
        raise table.invalid("", "a provider's name is made of letters, digits and . _ - : ~")
    kind = ProviderType(table.choice("type", tuple(ProviderType)))
    cohere = kind is ProviderType.COHERE
    key_names = table.texts("api_key_env", COHERE_KEY_NAMES if cohere else ())
    provider = ProviderConfiguration(
        name=name,
        type=kind,
        models=_models(table, kind),
        api_key_names=key_names,
        api_key=first_key(key_names, environment),
        url=_url(table, kind),
        batch_size=table.integer("batch_size", _BATCH_DEFAULT[kind], 1, _BATCH_MAX[kind]),
        timeout_seconds=table.seconds("timeout_seconds", 60.0),
        encoding=table.choice("encoding", _ENCODINGS, "float") if kind is ProviderType.OPENAI else "float",
        device=table.text("device", None) if kind is ProviderType.SENTENCE_TRANSFORMERS else None,
    )
    table.refuse_others()
    return provider


def _models(table: "_Table", kind: ProviderType) -> Mapping[str, ModelConfiguration]:
    tables = table.tables("models")
    if not tables and kind is ProviderType.COHERE:
        return COHERE_MODELS
    if not tables:
        raise table.invalid("models", "lists no model; add a table [providers.NAME.models.MODEL] with its dimension")
    return {name: _model(name, model, kind) for name, model in tables.items()}


def _model(name: str, table: "_Table", kind: ProviderType) -> ModelConfiguration:
    known = COHERE_MODELS.get(name) if kind is ProviderType.COHERE else None
    cohere = kind is ProviderType.COHERE
    model = ModelConfiguration(
        name=name,
        dimension=table.integer("dimension", known.dimension if known else None, 1, DIMENSION_MAX),
        dimensions=table.integers("dimensions", known.dimensions if known else (), DIMENSION_MAX),
        document_input_type=table.text("document_input_type", "search_document" if cohere else None),
        query_input_type=table.text("query_input_type", "search_query" if cohere else None),
        input_types=table.texts("input_types", COHERE_MODELS["embed-v4.0"].input_types if cohere else ()),
        location=table.text("location", None) if kind is ProviderType.SENTENCE_TRANSFORMERS else None,
    )
    table.refuse_others()
    return model


def _url(table: "_Table", kind: ProviderType) -> str | None:
    url = table.text("url", None)
    if url is None:
        if kind is ProviderType.OPENAI:
            raise table.invalid("url", "is missing; give the base address, for example https://api.example.com/v1")
        return None
    parts = urlsplit(url)
    if kind is ProviderType.SENTENCE_TRANSFORMERS:
        raise table.invalid("url", "does not belong to a local model; say where it lies by the model's location")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise table.invalid("url", "is not an address such as https://api.example.com/v1 without user and password")
    return url.rstrip("/")


def _invalid(pointer: str, detail: str) -> ValidationFailed:
    return ValidationFailed.at(pointer, "embedder-configuration", f"embedder configuration: {detail}.")


class _Table:
    """A TOML table that is read key by key; what nobody asked for is a mistake."""

    def __init__(self, values: Mapping[str, Any], place: str, file: str) -> None:
        self._values = dict(values)
        self._place = place
        self._file = file

    def invalid(self, key: str, detail: str) -> ValidationFailed:
        parts = [part for part in (self._place, key) if part]
        pointer = "".join(f"/{part}" for part in ".".join(parts).split(".") if part)
        return _invalid(pointer, f"{self._file}: {'.'.join(parts)} {detail}")

    def refuse_others(self) -> None:
        if self._values:
            raise self.invalid(min(self._values), "is not a setting")

    def tables(self, key: str) -> dict[str, "_Table"]:
        values = self._values.pop(key, {})
        if not isinstance(values, dict) or not all(isinstance(value, dict) for value in values.values()):
            raise self.invalid(key, f"is not made of tables [{key}.NAME]")
        place = f"{self._place}.{key}" if self._place else key
        return {name: _Table(value, f"{place}.{name}", self._file) for name, value in values.items()}

    def text(self, key: str, default: str | None) -> str | None:
        value = self._values.pop(key, default)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.invalid(key, "is not a text")
        return value

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._values.pop(key, default)
        values = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else (None,)
        if not all(isinstance(item, str) and item.strip() for item in values):
            raise self.invalid(key, "is neither a text nor a list of texts")
        return tuple(str(item) for item in values)

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self._values.pop(key, default)
        if value not in allowed:
            raise self.invalid(key, f"is not one of {', '.join(allowed)}")
        return str(value)

    def integer(self, key: str, default: int | None, least: int, most: int) -> int:
        value = self._values.pop(key, default)
        if value is None:
            raise self.invalid(key, "is missing")
        if type(value) is not int or not least <= value <= most:
            raise self.invalid(key, f"is not an integer from {least} to {most}")
        return value

    def integers(self, key: str, default: tuple[int, ...], most: int) -> tuple[int, ...]:
        values = self._values.pop(key, default)
        if not isinstance(values, (list, tuple)) or not all(type(item) is int and 1 <= item <= most for item in values):
            raise self.invalid(key, f"is not a list of integers from 1 to {most}")
        return tuple(values)

    def seconds(self, key: str, default: float) -> float:
        value = self._values.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 3600:
            raise self.invalid(key, "is not a number of seconds above 0, at most 3600")
        return float(value)
