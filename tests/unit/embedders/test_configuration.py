"""The TOML file that lists providers and models."""

from __future__ import annotations

from pathlib import Path

import pytest

from quiredb.domain.errors import ValidationFailed
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.providers import COHERE_MODELS, ModelConfiguration, ProviderConfiguration, ProviderType


def load(folder: Path, text: str, **environment: str) -> dict[str, ProviderConfiguration]:
    file = folder / "embedders.toml"
    file.write_text(text, encoding="utf-8")
    return dict(load_configuration(file, environment).providers)


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, None),
        ({"CO_API_KEY": "a", "COHERE_API_KEY": "b"}, "a"),
        ({"CO_API_KEY": " ", "COHERE_API_KEY": " b\n"}, "b"),
    ],
)
def test_without_a_file_cohere_is_offered_with_the_key_of_the_environment(
    environment: dict[str, str], key: str | None
) -> None:
    providers = load_configuration(None, environment).providers

    assert list(providers) == ["cohere"]
    assert providers["cohere"].api_key == key
    assert providers["cohere"].models["embed-v4.0"].dimension == 1536


def test_a_key_is_not_shown_when_the_configuration_is() -> None:
    assert "secret" not in repr(load_configuration(None, {"CO_API_KEY": "secret"}))


def test_a_full_file(tmp_path: Path) -> None:
    providers = load(
        tmp_path,
        """
        [providers.cohere]
        type = "cohere"
        api_key_env = ["TEAM_KEY", "CO_API_KEY"]
        batch_size = 10
        timeout_seconds = 5

        [providers.local]
        type = "sentence-transformers"
        device = "cpu"

        [providers.local.models."mini"]
        dimension = 384
        dimensions = [128, 64]
        location = "package:some_package/model"
        query_input_type = "query"
        input_types = "query"
        """,
        CO_API_KEY="k",
    )

    assert providers["cohere"] == ProviderConfiguration(
        name="cohere",
        type=ProviderType.COHERE,
        models=COHERE_MODELS,
        api_key_names=("TEAM_KEY", "CO_API_KEY"),
        api_key="k",
        batch_size=10,
        timeout_seconds=5.0,
    )
    assert providers["local"].device == "cpu"
    assert providers["local"].models["mini"] == ModelConfiguration(
        name="mini",
        dimension=384,
        dimensions=(128, 64),
        query_input_type="query",
        input_types=("query",),
        location="package:some_package/model",
    )


def test_a_known_model_of_cohere_needs_no_dimension(tmp_path: Path) -> None:
    providers = load(tmp_path, '[providers.c]\ntype = "cohere"\n[providers.c.models."embed-v4.0"]\n')

    assert providers["c"].models == {"embed-v4.0": COHERE_MODELS["embed-v4.0"]}


OPENAI = '[providers.o]\ntype = "openai"\nurl = "https://x.example/v1"\n'
MODEL = "[providers.o.models.m]\ndimension = 4\n"


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("not toml", ""),
        ("", "/providers"),
        ("providers = 3", "/providers"),
        ("other = 1\n" + OPENAI + MODEL, "/other"),
        ('[providers."a b"]\ntype = "cohere"', "/providers/a b"),
        ("[providers.o]\n", "/providers/o/type"),
        ('[providers.o]\ntype = "chatty"', "/providers/o/type"),
        (OPENAI, "/providers/o/models"),
        (OPENAI + "[providers.o.models.m]\n", "/providers/o/models/m/dimension"),
        (OPENAI + "[providers.o.models.m]\ndimension = true", "/providers/o/models/m/dimension"),
        (OPENAI + "[providers.o.models.m]\ndimension = 5000", "/providers/o/models/m/dimension"),
        (OPENAI + MODEL + "dimensions = [0]", "/providers/o/models/m/dimensions"),
        (OPENAI + MODEL + "input_types = [1]", "/providers/o/models/m/input_types"),
        (OPENAI + MODEL + 'location = "x"', "/providers/o/models/m/location"),
        (OPENAI + 'api_key = "secret"\n' + MODEL, "/providers/o/api_key"),
        (OPENAI + "api_key_env = 3\n" + MODEL, "/providers/o/api_key_env"),
        (OPENAI + "batch_size = 0\n" + MODEL, "/providers/o/batch_size"),
        (OPENAI + 'timeout_seconds = "1"\n' + MODEL, "/providers/o/timeout_seconds"),
        (OPENAI + 'encoding = "int8"\n' + MODEL, "/providers/o/encoding"),
        (OPENAI.replace("https://x.example/v1", "file:///etc") + MODEL, "/providers/o/url"),
        (OPENAI.replace("x.example", "user:secret@x.example") + MODEL, "/providers/o/url"),
        ('[providers.o]\ntype = "openai"\n' + MODEL, "/providers/o/url"),
        ('[providers.o]\ntype = "sentence-transformers"\nurl = "http://x"\n' + MODEL, "/providers/o/url"),
        ('[providers.o]\ntype = "cohere"\nbatch_size = 97', "/providers/o/batch_size"),
    ],
)
def test_a_mistake_is_named_by_its_place_and_values_are_not_repeated(tmp_path: Path, text: str, pointer: str) -> None:
    with pytest.raises(ValidationFailed, match=r"embedders\.toml") as caught:
        load(tmp_path, text)

    assert [violation.pointer for violation in caught.value.violations] == [pointer]
    assert "secret" not in caught.value.detail


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match=r"absent\.toml: cannot be read"):
        load_configuration(tmp_path / "absent.toml", {})
