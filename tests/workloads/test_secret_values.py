"""Secrets by name, from a Secrets Manager that listens on this machine."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from common import runtime, secret_values
from common.settings import SettingError
from tests.workloads.local_http import Answer, Asked, Local, answering
from tests.workloads.support import (
    DEADLINE_SECONDS,
    NAMES,
    WORKLOADS,
    free_port,
    image_command,
    image_environment,
    running,
    structured,
)

pytestmark = [pytest.mark.anyio, pytest.mark.allow_hosts(["127.0.0.1"])]

VALUE = "the-value-is-secret"
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:notes-api-key-a1b2c3"
VERSION = "a" * 32
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-key",
    "AWS_SESSION_TOKEN": "session-token",
}
ENDPOINT = "AWS_ENDPOINT_URL_SECRETS_MANAGER"


def refused(code: str) -> Answer:
    return 400, {"__type": code, "message": VALUE}


def text(_asked: Asked) -> Answer:
    return 200, {"SecretString": VALUE}


@contextmanager
def secrets_manager(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Asked], Answer]
) -> Generator[Local]:
    with answering(answer) as local:
        for name, value in {**AWS, ENDPOINT: local.url}.items():
            monkeypatch.setenv(name, value)
        yield local


def environment(references: Mapping[str, Any], **more: str) -> dict[str, str]:
    return {"AWS_REGION": "us-east-1", "SECRET_REFERENCES": json.dumps(references), **more}


def test_the_application_finds_each_secret_in_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references = {
        "NOTES_API_KEY": {"SecretId": ARN, "VersionId": VERSION},
        "REQUEST_STATE_KEY": {"SecretId": "state"},
    }
    given = environment(references, PORT="9000")
    with secrets_manager(monkeypatch, lambda asked: (200, {"SecretString": asked.body.decode()})):
        env = runtime.environment(given)
    assert {name: json.loads(env[name]) for name in references} == references
    assert {name: value for name, value in env.items() if name not in references} == given
    assert not set(references) & set(os.environ)


@pytest.mark.parametrize("listed", [None, "", "{}"])
def test_without_references_nothing_is_requested(listed: str | None) -> None:
    env = {} if listed is None else {"SECRET_REFERENCES": listed}
    assert runtime.environment(env) == env


def test_a_variable_that_is_set_already_wins_and_an_empty_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    references = {"SET": {"SecretId": "one"}, "EMPTY": {"SecretId": "two"}}
    with secrets_manager(monkeypatch, text) as local:
        env = runtime.environment(environment(references, SET="mine", EMPTY=""))
    assert (env["SET"], env["EMPTY"]) == ("mine", VALUE)
    assert [json.loads(asked.body) for asked in local.asked] == [{"SecretId": "two"}]


def test_all_secrets_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 12  # more than the default connection pool of botocore
    together = threading.Barrier(count)

    def answer(_asked: Asked) -> Answer:
        together.wait(DEADLINE_SECONDS)
        return 200, {"SecretString": VALUE}

    references = {f"SECRET_{number}": {"SecretId": "one"} for number in range(count)}
    with secrets_manager(monkeypatch, answer):
        env = runtime.environment(environment(references))
    assert [env[name] for name in references] == [VALUE] * count


def test_every_secret_that_cannot_be_read_is_reported_with_aws_s_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: dict[str, Answer] = {
        "missing": refused("ResourceNotFoundException"),
        "denied": refused("AccessDeniedException"),
        "binary": (200, {"SecretBinary": "AAAA"}),
        "good": (200, {"SecretString": VALUE}),
    }
    references = {name.upper(): {"SecretId": name} for name in answers}
    with (
        secrets_manager(monkeypatch, lambda asked: answers[json.loads(asked.body)["SecretId"]]),
        pytest.raises(SettingError) as caught,
    ):
        runtime.environment(environment(references))
    assert str(caught.value) == (
        "SECRET_REFERENCES names secrets that cannot be read: "
        "MISSING from missing: ResourceNotFoundException; "
        "DENIED from denied: AccessDeniedException; "
        "BINARY from binary: a binary secret, where a text is needed"
    )


def test_an_unreachable_secrets_manager_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with secrets_manager(monkeypatch, text):
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{free_port()}")
        with pytest.raises(SettingError, match=r"KEY from one: EndpointConnectionError$"):
            runtime.environment(environment({"KEY": {"SecretId": "one"}}))


def test_a_secrets_manager_that_never_answers_is_asked_twice_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def answer(_asked: Asked) -> Answer:
        over.wait(DEADLINE_SECONDS)
        return 200, {}

    monkeypatch.setattr(secret_values, "_READ_SECONDS", 0.1)
    with secrets_manager(monkeypatch, answer) as local:
        with pytest.raises(SettingError, match=r"KEY from one: ReadTimeoutError$"):
            runtime.environment(environment({"KEY": {"SecretId": "one"}}))
        over.set()
    assert len(local.asked) == 2


def test_a_failure_of_the_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = [
        (500, {"__type": "InternalServiceError"}),
        (200, {"SecretString": "x"}),
    ]
    with secrets_manager(monkeypatch, lambda _asked: answers.pop(0)):
        assert runtime.environment(environment({"KEY": {"SecretId": "one"}}))["KEY"] == "x"


@pytest.mark.parametrize(
    ("references", "fault"),
    [
        ("no json", "body: Invalid JSON"),
        ("[]", "body: Input should be an object"),
        ('{"KEY": "one"}', "KEY: Input should be an object"),
        ('{"KEY": {}}', "KEY.SecretId: Field required"),
        ('{"KEY": {"SecretId": ""}}', "KEY.SecretId: String should have at least 1 character"),
        (f'{{"KEY": {{"SecretId": "{"x" * 2049}"}}}}', "KEY.SecretId: String should have at most"),
        (f'{{"KEY": {{"SecretId": "x", "VersionId": "{"x" * 31}"}}}}', "at least 32 characters"),
        (f'{{"KEY": {{"SecretId": "x", "VersionId": "{"x" * 65}"}}}}', "at most 64 characters"),
        ('{"KEY": {"SecretId": "x", "More": "y"}}', "KEY.More: Extra inputs are not permitted"),
    ],
)
def test_malformed_references_are_reported_and_nothing_is_requested(
    references: str, fault: str
) -> None:
    with pytest.raises(SettingError, match="SECRET_REFERENCES must be a JSON object") as caught:
        runtime.environment({"SECRET_REFERENCES": references})
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("secret_id", "version_id"), [("x", "v" * 32), ("x" * 2048, "v" * 64)], ids=["least", "most"]
)
def test_names_of_every_length_that_aws_allows_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, secret_id: str, version_id: str
) -> None:
    reference = {"SecretId": secret_id, "VersionId": version_id}
    with secrets_manager(monkeypatch, text) as local:
        runtime.environment(environment({"KEY": reference}))
    assert json.loads(local.asked[0].body) == reference


def test_references_without_a_region_are_reported() -> None:
    env = environment({"KEY": {"SecretId": "one"}}, AWS_REGION="")
    with pytest.raises(SettingError, match=r"^AWS_REGION is not set; SECRET_REFERENCES needs it$"):
        runtime.environment(env)


async def test_the_notes_sign_with_a_key_that_they_fetched(tmp_path: Path) -> None:
    folder = {"FILES_DIR": str(tmp_path / "notes")}
    with answering(text) as local:
        env = environment({"NOTES_API_KEY": {"SecretId": ARN}}, **AWS, **{ENDPOINT: local.url})
        with running("notes", tmp_path / "log", **folder, **env) as first:
            async with Client(f"{first.url}/mcp") as client:
                await client.call_tool("add_note", {"name": "a", "text": "x"})
            assert first.stop() == 0
    assert VALUE not in first.log.read_text()
    with running("notes", tmp_path / "log", **folder, NOTES_API_KEY=VALUE) as second:
        async with Client(f"{second.url}/mcp") as client:
            note = structured(await client.call_tool("read_note", {"name": "a"}))
    assert note["text"] == "x"
    with running("notes", tmp_path / "log", **folder, NOTES_API_KEY="other") as third:
        async with Client(f"{third.url}/mcp") as client:
            assert (await client.call_tool("read_note", {"name": "a"})).is_error


@pytest.mark.parametrize("name", NAMES)
def test_a_denied_secret_ends_the_start_with_one_line_that_holds_no_value(name: str) -> None:
    with answering(lambda _asked: refused("AccessDeniedException")) as local:
        ended = subprocess.run(
            image_command(name),
            cwd=WORKLOADS,
            env={
                "PATH": os.environ["PATH"],
                **image_environment(name),
                **environment({"REQUEST_STATE_KEY": {"SecretId": ARN}}),
                **AWS,
                ENDPOINT: local.url,
            },
            capture_output=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
    assert ended.returncode == 2
    assert ended.stderr == b""
    assert VALUE.encode() not in ended.stdout
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["message"] for line in lines if line["level"] != "INFO"] == [
        "cannot start: SECRET_REFERENCES names secrets that cannot be read: "
        f"REQUEST_STATE_KEY from {ARN}: AccessDeniedException"
    ]
    assert lines[-1]["level"] == "CRITICAL"


def test_an_invalid_region_fails_the_start() -> None:
    env = {"SECRET_REFERENCES": '{"KEY": {"SecretId": "key"}}', "AWS_REGION": "no region"}
    with pytest.raises(SettingError, match=r"^AWS_REGION is 'no region': "):
        secret_values.with_secrets(env)
