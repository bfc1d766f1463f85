"""Secrets that the platform mounts as files, and the precedence of the three sources."""

import json
from pathlib import Path

import httpx2
import pytest

from common import runtime
from common.settings import SettingError
from tests.workloads.local_http import answering
from tests.workloads.support import call_body, call_headers, running

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

VALUE = "the-value-is-secret"


def test_a_secret_is_read_from_the_file_that_its_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "anything"
    file.write_text(VALUE)
    given = {"NOTES_API_KEY_FILE": str(file)}
    env = runtime.environment(given, ["NOTES_API_KEY"])
    assert env == {**given, "NOTES_API_KEY": VALUE}
    assert given == {"NOTES_API_KEY_FILE": str(file)}


def test_the_key_of_the_request_state_is_a_secret_of_every_workload(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(VALUE)
    assert runtime.environment({"REQUEST_STATE_KEY_FILE": str(file)})["REQUEST_STATE_KEY"] == VALUE


def test_a_variable_that_only_ends_like_one_brings_no_secret() -> None:
    env = {"SSL_CERT_FILE": "/no/such/file", "NOTES_API_KEY_FILE": ""}
    assert runtime.environment(env, ["NOTES_API_KEY"]) == env


def test_a_folder_brings_every_file_that_has_the_name_of_a_variable(tmp_path: Path) -> None:
    for name in ("A_KEY", "B2", "lower", ".hidden", "2B", "A-B"):
        (tmp_path / name).write_text(name)
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "LINKED").write_text("linked")
    (tmp_path / "LINKED").symlink_to(tmp_path / "..data" / "LINKED")
    (tmp_path / "FOLDER").mkdir()
    given = {"SECRETS_DIR": str(tmp_path)}
    assert runtime.environment(given) == {**given, "A_KEY": "A_KEY", "B2": "B2", "LINKED": "linked"}


@pytest.mark.parametrize(
    ("content", "value"),
    [("x\n", "x"), ("x\n\n", "x\n"), ("x", "x"), (" x ", " x "), ("", ""), ("ü\n", "ü")],
)
def test_one_newline_at_the_end_is_none_of_the_value(
    content: str, value: str, tmp_path: Path
) -> None:
    (tmp_path / "KEY").write_text(content)
    assert runtime.environment({"SECRETS_DIR": str(tmp_path)})["KEY"] == value


@pytest.mark.parametrize("excess", [0, 1])
def test_a_file_has_at_most_as_many_bytes_as_secrets_manager_keeps(
    excess: int, tmp_path: Path
) -> None:
    (tmp_path / "KEY").write_bytes(b"x" * (65_536 + excess))
    if excess:
        with pytest.raises(SettingError, match=r"KEY', has 65537 bytes; 65536 are allowed$"):
            runtime.environment({"SECRETS_DIR": str(tmp_path)})
    else:
        assert len(runtime.environment({"SECRETS_DIR": str(tmp_path)})["KEY"]) == 65_536


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        runtime.environment({"KEY_FILE": str(tmp_path / "gone")}, ["KEY"])
    assert str(caught.value) == (
        f"the file of the secret KEY, '{tmp_path}/gone', cannot be read: No such file or directory"
    )


def test_a_file_that_is_not_text_is_reported_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "KEY").write_bytes(VALUE.encode() + b"\xff")
    with pytest.raises(SettingError) as caught:
        runtime.environment({"SECRETS_DIR": str(tmp_path)})
    assert str(caught.value) == (
        f"the file of the secret KEY, '{tmp_path}/KEY', is no text in UTF-8"
    )
    assert caught.value.__cause__ is None


def test_a_missing_folder_is_reported_if_it_is_configured(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"SECRETS_DIR is .*/gone', which is no folder"):
        runtime.environment({"SECRETS_DIR": str(tmp_path / "gone")})
    assert runtime.environment({}) == {}


def test_the_variable_wins_over_its_file_that_over_the_folder_and_that_over_secrets_manager(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    own = tmp_path / "own"
    own.write_text("own file")
    names = ["ONE", "TWO", "THREE", "FOUR"]
    for name in names[:3]:
        (folder / name).write_text("folder")
    given = {
        "ONE": "variable",
        "ONE_FILE": "/not/even/looked/for",
        "TWO": "",
        "TWO_FILE": str(own),
        "SECRETS_DIR": str(folder),
        "AWS_REGION": "us-east-1",
        "SECRET_REFERENCES": json.dumps({name: {"SecretId": name} for name in names}),
    }
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    with answering(lambda _asked: (200, {"SecretString": "Secrets Manager"})) as local:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", local.url)
        env = runtime.environment(given, names)
    assert [env[name] for name in names] == ["variable", "own file", "folder", "Secrets Manager"]
    assert [json.loads(asked.body) for asked in local.asked] == [{"SecretId": "FOUR"}]


async def test_the_notes_sign_with_a_key_from_a_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(VALUE)
    notes = {"FILES_DIR": str(tmp_path / "notes")}
    outcomes: list[bool] = []
    for env, tool in (
        ({"NOTES_API_KEY_FILE": str(key)}, "add_note"),
        ({"NOTES_API_KEY": VALUE}, "read_note"),
        ({"NOTES_API_KEY": "another"}, "read_note"),
    ):
        with running("notes", tmp_path / "log", **notes, **env) as workload:
            arguments = {"name": "a"} | ({"text": "x"} if tool == "add_note" else {})
            async with httpx2.AsyncClient() as client:
                body, headers = call_body(tool, arguments), call_headers(tool)
                answer = await client.post(f"{workload.url}/mcp", json=body, headers=headers)
            outcomes.append(answer.json()["result"].get("isError", False))
            assert workload.stop() == 0
            assert VALUE not in workload.log.read_text()
    assert outcomes == [False, False, True]
