"""docs/cli.md and docs/embedders.md say what is."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from quiredb.cli.exit_codes import ExitCode
from quiredb.cli.main import COMMANDS
from quiredb.embedders.configuration import load_configuration
from quiredb.embedders.providers import COHERE_MODELS


def test_every_command_and_exit_code_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `quire (\w+)", page, re.MULTILINE)) == set(COMMANDS)
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == {int(code) for code in ExitCode}


def test_every_option_of_serve_is_documented(repository: Path) -> None:
    page = (repository / "docs" / "cli.md").read_text(encoding="utf-8")
    options = {option for parameter in COMMANDS["serve"].load().params for option in parameter.opts}

    assert set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE)) == options


def test_the_commands_of_the_tour_exist_with_their_options(repository: Path) -> None:
    for page in ("cli.md", "embedders.md"):
        text = (repository / "docs" / page).read_text(encoding="utf-8")
        tour = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
        for name, rest in re.findall(r"quire (\w+)([^\n|&]*)", tour):
            command = COMMANDS[name].load()
            word = rest.split()[0] if rest.split() else ""
            if isinstance(command, click.Group) and word in command.commands:
                command = command.commands[word]
            known = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<=\s)--?[a-z][\w-]*", rest)) <= known, f"quire {name}{rest}"


def test_the_configuration_shown_is_valid(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "embedders.md").read_text(encoding="utf-8")
    file = tmp_path / "embedders.toml"
    file.write_text("\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)), encoding="utf-8")

    providers = load_configuration(file, {"OPENAI_API_KEY": "k"}).providers

    assert list(providers) == ["cohere", "openai", "ollama", "local"]
    assert providers["openai"].api_key == "k"


@pytest.mark.parametrize("name", COHERE_MODELS)
def test_every_model_offered_by_default_is_documented_with_its_dimensions(repository: Path, name: str) -> None:
    page = (repository / "docs" / "embedders.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)

    model = COHERE_MODELS[name]
    assert [int(number) for number in re.findall(r"(?<= )\d+", row)] == [model.dimension, *model.dimensions]
