"""The log line of an exception."""

import json
import logging

import pytest

from common.json_log import log, log_json_lines


@pytest.fixture(autouse=True)
def handlers_of_the_tests():
    """The root logger's own handlers, after the test as before it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(error: BaseException, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    log_json_lines()
    log.error("failed", exc_info=error)
    return json.loads(capsys.readouterr().out)


def raised(error: BaseException, cause: BaseException | None) -> BaseException:
    try:
        raise error from cause
    except type(error):
        return error


def test_an_exception_is_logged_as_the_type_of_its_root_cause(capsys: pytest.CaptureFixture[str]):
    told = logged(raised(RuntimeError("a caller's text"), KeyError("key")), capsys)
    assert (told["message"], told["error"]) == ("failed", "KeyError")
    assert "caller" not in json.dumps(told)


def test_an_exception_that_is_its_own_cause_is_logged_too(capsys: pytest.CaptureFixture[str]):
    error = RuntimeError()
    assert logged(raised(error, error), capsys)["error"] == "RuntimeError"


def test_causes_that_form_a_cycle_end(capsys: pytest.CaptureFixture[str]):
    first, second = RuntimeError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert logged(first, capsys)["error"] in ("RuntimeError", "KeyError")
