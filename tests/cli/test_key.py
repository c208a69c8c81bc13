"""`quire key`, with and without a server on the same folder."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from quiredb.cli.exit_codes import ExitCode
from tests.cli.conftest import Quire, until
from tests.cli.test_serve import serving

HEARD_WITHIN_SECONDS = 10.0
"""Half a second is what the server takes; the rest is for a busy machine."""

KEY = re.compile(r"quire_[0-9a-f]{12}_[0-9a-f]{64}\n")


def limits(url: str, key: str | None) -> int:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/v1/limits", headers=headers).status_code


def test_a_key_is_printed_alone_and_once(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    created = quire("key", "create", "--name", "ci of [team] ä", "--data", data)
    listed = quire("key", "list", "--data", data)

    assert created.code == 0, created.err
    assert KEY.fullmatch(created.out)
    assert "only now" in created.err
    assert created.out.strip() not in created.err
    assert "ci of [team] ä" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert created.out.strip() not in listed.out + quire("key", "list", "--json", "--data", data).out
    assert quire("check", data).code == 0


def test_a_key_as_json_is_listed_and_revoked(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    created = quire("key", "create", "--name", "ci", "--data", data, "--json").json
    listed = quire("key", "list", "--data", data, "--json").json

    assert created.keys() == {"id", "name", "created_at", "role", "key"}
    assert KEY.fullmatch(created.pop("key") + "\n")
    assert listed == [created]
    assert quire("key", "revoke", created["id"], "--data", data, "--json").json == {"revoked": created["id"]}
    assert quire("key", "list", "--data", data, "--json").json == []
    assert quire("key", "revoke", created["id"], "--data", data).code == ExitCode.NOT_FOUND


def test_revoking_the_last_key_is_said(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, second = (quire("key", "create", "--name", name, "--data", data, "--json").json["id"] for name in "ab")

    assert quire("key", "revoke", first, "--data", data).err == ""
    assert "No key is left" in quire("key", "revoke", second, "--data", data).err


def test_only_creating_makes_a_folder(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"

    assert "There are no keys" in quire("key", "list", "--data", data).out
    assert quire("key", "revoke", "some", "--data", data).code == ExitCode.NOT_FOUND
    assert quire("key", "create", "--data", data).code == ExitCode.USAGE
    assert quire("key", "create", "--name", " ", "--data", data).code == ExitCode.FAILURE
    assert not data.exists()


def test_a_folder_that_is_not_quires_is_left_alone(quire: Quire, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")

    run = quire("key", "create", "--name", "ci", "--data", tmp_path)

    assert run.code == ExitCode.CONFIGURATION
    assert "choose an empty or new folder" in run.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]
    assert quire("serve", "--host", "0.0.0.0", "--data", tmp_path).code == ExitCode.CONFIGURATION


def test_the_folder_comes_from_the_environment_as_for_serve(
    quire: Quire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUIRE_DATA", str(tmp_path / "data"))

    assert quire("key", "create", "--name", "ci").code == 0
    assert quire("key", "list", "--data", tmp_path / "data").out.count("ci") == 1


def test_a_running_server_hears_of_keys(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, "--log-level", "debug") as server:
        url = server.url
        server.wait_until_ready()
        assert limits(url, None) == 200

        created = quire("key", "create", "--name", "first", "--data", data, "--json").json
        until(lambda: limits(url, None) == 401, HEARD_WITHIN_SECONDS)
        second = quire("key", "create", "--name", "second", "--data", data, "--json").json
        until(lambda: limits(url, second["key"]) == 200, HEARD_WITHIN_SECONDS)
        assert limits(url, created["key"]) == 200
        assert httpx.get(f"{url}/livez").status_code == 200
        without = quire("libraries", "--url", url)
        made = quire("libraries", "create", "kept", "--dimension", 3, "--url", url, "--api-key", second["key"])

        quire("key", "revoke", created["id"], "--data", data)
        until(lambda: limits(url, created["key"]) == 401, HEARD_WITHIN_SECONDS)
        assert limits(url, second["key"]) == 200
        httpx.get(f"{url}/v1/limits", params={"api_key": second["key"]})
        assert server.end() == 0

    assert without.code == ExitCode.FAILURE
    assert "--api-key" in without.err
    assert made.code == 0, made.err
    assert '"/v1/limits"' in server.said
    for key in (created["key"], second["key"]):
        assert key not in server.said
    assert "kept" in quire("libraries", "--data", data).out
    assert quire("check", data).code == 0


def test_other_machines_are_served_when_there_are_keys(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    refused = quire("serve", "--host", "0.0.0.0", "--data", data, "--port", 0)
    assert refused.code == ExitCode.CONFIGURATION
    assert f"quire key create --name NAME --data {data}" in refused.err

    created = quire("key", "create", "--name", "first", "--data", data, "--json").json
    with serving(data, "--host", "0.0.0.0") as server:
        url = f"http://127.0.0.1:{server.url.rpartition(':')[2]}"
        assert (limits(url, None), limits(url, created["key"])) == (401, 200)
        quire("key", "revoke", created["id"], "--data", data)
        until(lambda: limits(url, created["key"]) == 401, HEARD_WITHIN_SECONDS)
        assert limits(url, None) == 401
        assert server.end() == 0


def test_denials_and_writes_are_in_the_audit_log(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    created = quire("key", "create", "--name", "ops", "--data", data, "--json").json
    with serving(data) as server:
        server.wait_until_ready()
        assert limits(server.url, "quire_wrong") == 401
        made = quire("libraries", "create", "kept", "--dimension", 3, "--url", server.url, "--api-key", created["key"])
        assert made.code == 0
        assert server.end() == 0
    verified = quire("audit", "verify", "--data", data, "--json")
    log = data / "audit.jsonl"

    assert (verified.code, verified.json["lines"]) == (0, 2)
    assert created["key"] not in log.read_text()
    assert f'"key":"{created["id"]}"' in log.read_text()
    log.write_text(log.read_text().replace('"library":"kept"', '"library":"lost"'))
    assert quire("audit", "verify", "--data", data).code == ExitCode.FAILURE
    assert quire("audit", "verify", "--data", tmp_path / "absent").code == ExitCode.FAILURE


def test_keys_of_a_role_are_made_and_shown(quire: Quire, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = quire(
        "key", "create", "--name", "r", "--role", "read", "--library", "b", "--library", "a", "--expires", "90d",
        "--data", data, "--json",
    ).json  # fmt: skip

    assert (made["role"], made["libraries"]) == ("read", ["a", "b"])
    assert made["expires_at"] > made["created_at"]
    assert "read: a, b" in quire("key", "list", "--data", data).out
    for wrong in (["--expires", "soon"], ["--role", "root"]):
        assert quire("key", "create", "--name", "r", *wrong, "--data", data).code == ExitCode.USAGE
    assert quire("key", "create", "--name", "r", "--library", "a", "--data", data).code == ExitCode.FAILURE
