import json
import os
from pathlib import Path

import pytest
import yaml

from sandbox import cli
from sandbox.home import ROOT


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([], []),
        (["up", "--yes", "-s", "dev"], ["up", "--yes", "-s", "dev"]),
        (["stack", "export", "--file", "a.json"], ["stack", "export", "--file", "/from/a.json"]),
        (["stack", "export", "--file=a.json"], ["stack", "export", "--file=/from/a.json"]),
        (["preview", "--save-plan", "p/q"], ["preview", "--save-plan", "/from/p/q"]),
        (["up", "--config-file=../x.yaml"], ["up", "--config-file=/from/../x.yaml"]),
        (["up", "--policy-pack", "/abs"], ["up", "--policy-pack", "/abs"]),
        (["up", "--message", "a=b"], ["up", "--message", "a=b"]),
        (["up", "--plan"], ["up", "--plan"]),
        (
            ["up", "--policy-pack", "a", "--policy-pack", "b"],
            ["up", "--policy-pack", "/from/a", "--policy-pack", "/from/b"],
        ),
        (["config", "set", "--path", "a.b", "c"], ["config", "set", "--path", "a.b", "c"]),
        (
            ["import", "aws:sns/topic:Topic", "f", "id"],
            ["import", "aws:sns/topic:Topic", "f", "id"],
        ),
        (["import", "-f", "a.json", "-o", "b"], ["import", "-f", "/from/a.json", "-o", "/from/b"]),
        (["import", "-f=a.json"], ["import", "-f=/from/a.json"]),
        (["import", "-fa.json", "-y"], ["import", "-f/from/a.json", "-y"]),
        (["-s", "dev", "import", "-f", "a"], ["-s", "dev", "import", "-f", "/from/a"]),
        (["up", "-f", "-y"], ["up", "-f", "-y"]),
    ],
)
def test_only_path_flags_are_resolved_from_the_callers_folder(given: list[str], made: list[str]):
    before = list(given)
    assert cli.absolute_paths(given, Path("/from")) == made
    assert given == before


@pytest.mark.parametrize("flag", sorted(cli.PATH_FLAGS))
def test_every_path_flag_takes_its_value_in_both_forms(flag: str):
    assert cli.absolute_paths([flag, "x"], Path("/from")) == [flag, "/from/x"]
    assert cli.absolute_paths([f"{flag}=x"], Path("/from")) == [f"{flag}=/from/x"]


@pytest.mark.parametrize(
    ("args", "stack"),
    [
        ([], None),
        (["up"], None),
        (["up", "-s", "dev"], "dev"),
        (["-s", "dev", "up"], "dev"),
        (["up", "--stack", "team/dev"], "team/dev"),
        (["up", "--stack=dev"], "dev"),
        (["up", "--stack="], ""),
        (["up", "-s"], None),
        (["up", "--show-sames"], None),
        (["up", "-s", "one", "-s", "other"], "one"),
        (["up", "-sdev"], "dev"),
        (["up", "-s=dev"], "dev"),
        (["up", "-s="], ""),
        (["-sdev", "up"], "dev"),
        (["stack", "init", "dev"], "dev"),
        (["stack", "rm", "dev", "--yes"], "dev"),
        (["stack", "init", "--no-select"], None),
        (["stack", "select", "dev"], None),
        (["stack"], None),
        (["config", "set", "target", "eks"], None),
    ],
)
def test_the_stack_is_the_one_that_the_arguments_name(args: list[str], stack: str | None):
    assert cli.stack_argument(args) == stack


@pytest.mark.parametrize(
    ("args", "command"),
    [
        ([], ""),
        (["up", "--yes"], "up"),
        (["stack", "import", "--file", "x"], "stack"),
        (["-s", "dev", "preview"], "preview"),
        (["-sdev", "preview"], "preview"),
        (["--stack=up", "destroy"], "destroy"),
        (["--stack", "up", "destroy"], "destroy"),
        (["--color", "never", "-v", "3", "refresh"], "refresh"),
        (["--non-interactive", "up"], "up"),
        (["--yes"], ""),
        (["up", "--help"], ""),
        (["-h", "up"], ""),
    ],
)
def test_the_command_is_the_first_word_that_is_no_flag_and_no_flags_value(
    args: list[str], command: str
):
    assert cli.command_word(args) == command


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["import", "--out", "x"], True),
        (["import", "--out=x"], True),
        (["import", "-o", "x"], True),
        (["import", "--output"], False),
        ([], False),
    ],
)
def test_a_flag_is_named_alone_or_with_its_value(args: list[str], named: bool):
    assert cli.names_flag(args, "--out", "-o") == named


def test_the_output_of_pulumi_is_returned_without_its_newline():
    says = cli.pulumi_says(["sh", "-c", 'echo "$NAME $0 $1"'], {"NAME": "a"}, "stack", "ls")
    assert says == "a stack ls"


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("echo out; echo broken >&2; exit 3", "broken\n"),
        ("echo only out; exit 1", "only out\n"),
    ],
)
def test_a_failure_of_pulumi_ends_the_run_with_its_output(script: str, shown: str):
    with pytest.raises(SystemExit) as refused:
        cli.pulumi_says(["sh", "-c", script], {})
    assert refused.value.code == shown


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A sandbox's home that does not exist yet, with a space in its path."""
    return tmp_path / "a home"


def test_the_project_is_the_roots_with_paths_relative_to_the_sandbox(home: Path, tmp_path: Path):
    folder = cli.write_project(home, tmp_path)
    assert folder == home / "project"
    root = cli.load_yaml(ROOT / "Pulumi.yaml")
    written = cli.load_yaml(folder / "Pulumi.yaml")
    assert (folder / written["main"]).resolve() == ROOT
    assert (folder / written["stackConfigDir"]).resolve() == tmp_path.resolve()
    virtualenv = written["runtime"]["options"]["virtualenv"]
    assert os.path.normpath(folder / virtualenv) == str(ROOT / ".venv")
    assert not any(
        Path(path).is_absolute()
        for path in (written["main"], written["stackConfigDir"], virtualenv)
    )
    assert written.keys() - root.keys() == {"main", "stackConfigDir", "plugins"}
    assert written["name"] == root["name"]
    assert written["config"] == root["config"]


def test_the_project_binds_every_provider_to_its_offline_implementation(home: Path, tmp_path: Path):
    folder = cli.write_project(home, tmp_path)
    written = cli.load_yaml(folder / "Pulumi.yaml")
    assert written["plugins"].keys() == {"providers"}
    providers = written["plugins"]["providers"]
    names = [provider["name"] for provider in providers]
    assert names == sorted(path.name for path in cli.PLUGINS.iterdir() if path.is_dir())
    assert {"aws", "awsx", "eks", "kubernetes"} <= set(names)
    for provider in providers:
        plugin = (folder / provider["path"]).resolve() / f"pulumi-resource-{provider['name']}"
        assert plugin.is_file()
        assert os.access(plugin, os.X_OK)


def test_an_unchanged_project_is_not_rewritten(home: Path, tmp_path: Path):
    file = cli.write_project(home, tmp_path) / "Pulumi.yaml"
    os.utime(file, (1, 1))
    cli.write_project(home, tmp_path)
    assert file.stat().st_mtime == 1


def test_an_outdated_project_is_rewritten(home: Path, tmp_path: Path):
    file = cli.write_project(home, tmp_path) / "Pulumi.yaml"
    text = file.read_text()
    file.write_text("name: old\n")
    cli.write_project(home, tmp_path)
    assert file.read_text() == text


_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "PULUMI_ACCESS_TOKEN",
)


@pytest.mark.parametrize("name", _CREDENTIALS)
def test_no_credential_reaches_the_engine(home: Path, name: str):
    assert name not in cli.engine_environment({name: "hush", "PATH": "/bin"}, home)


def test_the_engine_gets_the_rest_of_the_environment_and_keeps_its_state_in_the_sandboxs_home(
    home: Path,
):
    outer = {"PATH": "/bin", "LANG": "C.UTF-8", "HTTPS_PROXY": "http://proxy"}
    assert cli.engine_environment(outer, home) == outer | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_BACKEND_URL": f"file://{home}/state",
        "PULUMI_CONFIG_PASSPHRASE": "sandbox",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": f"{home}/pulumi",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "SANDBOX_CLOUD": f"{home}/cloud.sqlite",
    }
    assert (home / "state").is_dir()


def test_the_callers_backend_and_home_of_pulumi_are_not_the_sandboxs(home: Path):
    outer = {"PULUMI_BACKEND_URL": "s3://theirs", "PULUMI_HOME": "/theirs"}
    inner = cli.engine_environment(outer, home)
    assert inner["PULUMI_BACKEND_URL"] == f"file://{home}/state"
    assert inner["PULUMI_HOME"] == f"{home}/pulumi"


def test_the_callers_cloud_is_used(home: Path):
    inner = cli.engine_environment({"SANDBOX_CLOUD": "/other.sqlite"}, home)
    assert inner["SANDBOX_CLOUD"] == "/other.sqlite"


def test_the_callers_passphrase_is_used(home: Path):
    inner = cli.engine_environment({"PULUMI_CONFIG_PASSPHRASE": "theirs"}, home)
    assert inner["PULUMI_CONFIG_PASSPHRASE"] == "theirs"


def test_an_empty_passphrase_is_a_passphrase(home: Path):
    inner = cli.engine_environment({"PULUMI_CONFIG_PASSPHRASE": ""}, home)
    assert inner["PULUMI_CONFIG_PASSPHRASE"] == ""


def test_the_callers_passphrase_file_is_used_and_no_passphrase_beside_it(home: Path):
    inner = cli.engine_environment({"PULUMI_CONFIG_PASSPHRASE_FILE": "/phrase"}, home)
    assert inner["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/phrase"
    assert "PULUMI_CONFIG_PASSPHRASE" not in inner


def test_the_callers_environment_is_not_changed(home: Path):
    outer = {"AWS_PROFILE": "theirs"}
    cli.engine_environment(outer, home)
    assert outer == {"AWS_PROFILE": "theirs"}


_STACK_FILE = """\
# a comment
encryptionsalt: v1:salt
config:
  aws:region: eu-west-1
  mcp-platform:target: ecs
  mcp-platform:servers: {clock: {cpu: 256}}
  mcp-platform:secret-a: {secure: v1:abc}
"""


def test_another_target_goes_into_a_copy_of_the_stack_file(home: Path, tmp_path: Path):
    home.mkdir()
    original = tmp_path / "Pulumi.dev.yaml"
    original.write_text(_STACK_FILE)
    copy = cli.with_target(home, tmp_path, "dev", "eks")
    assert original.read_text() == _STACK_FILE
    assert copy.parent == home
    expected = yaml.safe_load(_STACK_FILE)
    expected["config"]["mcp-platform:target"] = "eks"
    assert cli.load_yaml(copy) == expected


def test_a_stack_file_without_target_gets_one(home: Path, tmp_path: Path):
    home.mkdir()
    (tmp_path / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:salt\n")
    copy = cli.with_target(home, tmp_path, "dev", "lambda")
    assert cli.load_yaml(copy) == {
        "encryptionsalt": "v1:salt",
        "config": {"mcp-platform:target": "lambda"},
    }


def test_each_target_has_its_own_copy_of_the_stack_file(home: Path, tmp_path: Path):
    home.mkdir()
    (tmp_path / "Pulumi.dev.yaml").write_text(_STACK_FILE)
    targets = ("ecs", "eks", "lambda")
    assert len({cli.with_target(home, tmp_path, "dev", target) for target in targets}) == 3


# `false` and `true` replace pulumi: the test needs only the call and its exit code.
_FAILS, _WORKS = ["false"], ["true"]


def _existing(home: Path, *stacks: str) -> None:
    project = cli.load_yaml(ROOT / "Pulumi.yaml")["name"]
    folder = home / "state" / ".pulumi" / "stacks" / project
    folder.mkdir(parents=True)
    for stack in stacks:
        (folder / f"{stack}.json").write_text(json.dumps({}))


@pytest.mark.parametrize(("named", "missing"), [("prod", "prod"), (None, "dev")])
def test_a_stack_without_stack_file_is_refused_with_the_existing_ones(
    home: Path, tmp_path: Path, named: str | None, missing: str
):
    for stack in ("test", "blue"):
        (tmp_path / f"Pulumi.{stack}.yaml").write_text("config: {}\n")
    with pytest.raises(SystemExit) as refused:
        cli.create_stack(_FAILS, {}, home, tmp_path, named)
    assert refused.value.code == (
        f"sandbox: there is no stack file Pulumi.{missing}.yaml; "
        "the stack files here are for: blue, test"
    )


def test_a_folder_without_stack_files_is_reported(home: Path, tmp_path: Path):
    with pytest.raises(SystemExit) as refused:
        cli.create_stack(_FAILS, {}, home, tmp_path, None)
    assert str(refused.value.code).endswith("the stack files here are for: none")


@pytest.mark.parametrize(("named", "created"), [("prod", "prod"), (None, "dev")])
def test_a_missing_stack_is_created(home: Path, tmp_path: Path, named: str | None, created: str):
    (tmp_path / f"Pulumi.{created}.yaml").write_text("config: {}\n")
    assert cli.create_stack(_WORKS, dict(os.environ), home, tmp_path, named) == created


def test_a_stack_that_pulumi_cannot_create_ends_the_run(home: Path, tmp_path: Path):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    with pytest.raises(SystemExit):
        cli.create_stack(_FAILS, dict(os.environ), home, tmp_path, "dev")


def test_an_existing_stack_is_not_created_again(home: Path, tmp_path: Path):
    _existing(home, "dev")
    assert cli.create_stack(_FAILS, dict(os.environ), home, tmp_path, "dev") == "dev"


def _stack_files(folder: Path) -> dict[str, Path]:
    """Stack files in the program's folder and in `examples/`, with the folder of each."""
    folders = {"dev": folder, "eks": folder / "examples" / "eks"}
    for stack, of_stack in folders.items():
        of_stack.mkdir(parents=True, exist_ok=True)
        (of_stack / f"Pulumi.{stack}.yaml").write_text(_STACK_FILE)
    return folders


@pytest.mark.parametrize(
    ("named", "of"),
    [("dev", "dev"), ("eks", "eks"), ("organization/mcp-platform/eks", "eks"), ("prod", "dev"),
     ("team/prod", "dev"), (None, "dev"), ("", "dev")],
)  # fmt: skip
def test_the_file_of_a_stack_is_in_the_programs_folder_or_in_that_of_its_example(
    home: Path, tmp_path: Path, named: str | None, of: str
):
    folders = _stack_files(tmp_path)
    assert cli.config_folder(_FAILS, dict(os.environ), home, tmp_path, named) == folders[of]


def test_a_file_in_the_programs_folder_precedes_an_example_of_the_same_name(
    home: Path, tmp_path: Path
):
    _stack_files(tmp_path)
    (tmp_path / "Pulumi.eks.yaml").write_text(_STACK_FILE)
    assert cli.config_folder(_FAILS, {}, home, tmp_path, "eks") == tmp_path


@pytest.mark.parametrize(
    ("script", "of"), [("echo eks", "eks"), ("echo dev", "dev"), ("exit 255", "dev")]
)
def test_pulumi_returns_the_selected_stack_if_stack_files_are_in_several_folders(
    home: Path, tmp_path: Path, script: str, of: str
):
    folders = _stack_files(tmp_path)
    _existing(home, *folders)
    pulumi = ["sh", "-c", script]
    assert cli.config_folder(pulumi, dict(os.environ), home, tmp_path, None) == folders[of]


def test_the_only_stack_is_the_selected_one(home: Path, tmp_path: Path):
    folders = _stack_files(tmp_path)
    _existing(home, "eks")
    assert cli.config_folder(_FAILS, dict(os.environ), home, tmp_path, None) == folders["eks"]


def test_examples_are_created_with_another_target_and_listed(home: Path, tmp_path: Path):
    _stack_files(tmp_path)
    home.mkdir()
    assert cli.create_stack(_WORKS, dict(os.environ), home, tmp_path, "eks") == "eks"
    copy = cli.with_target(home, tmp_path, "eks", "lambda")
    assert cli.load_yaml(copy)["config"]["mcp-platform:target"] == "lambda"
    with pytest.raises(SystemExit) as refused:
        cli.create_stack(_FAILS, {}, home, tmp_path, "prod")
    assert str(refused.value.code).endswith("the stack files here are for: dev, eks")


def test_pulumi_chooses_among_several_existing_stacks(home: Path, tmp_path: Path):
    _existing(home, "dev", "test")
    assert cli.create_stack(_FAILS, dict(os.environ), home, tmp_path, None) is None
