import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.model import Storage
from core.targets.aws_lambda.paths import files_path


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        ("/data", "/mnt/data"),
        ("/var/audit", "/mnt/var-audit"),
        ("/a/b_c.d-e", "/mnt/a-b_c.d-e"),
        ("/mnt/data", "/mnt/data"),
        ("/mnt/a/b", "/mnt/a-b"),
        ("/mnt", "/mnt/mnt"),
    ],
)
def test_files_are_right_below_mnt(mount: str, path: str):
    assert files_path(Storage(mount=mount)) == path


@given(st.from_regex(r"^(/[a-z0-9][a-z0-9_.-]*)+\Z"))
def test_every_mount_is_one_name_below_mnt_that_lambda_takes(mount: str):
    head, name = files_path(Storage(mount=mount)).removeprefix("/").split("/")
    assert head == "mnt"
    assert name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")
