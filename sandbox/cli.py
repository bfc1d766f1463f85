"""`pulumi ARGS` on the sandbox: the real engine, local state, offline providers.

The command prepares the run, and then replaces itself with `pulumi`:

- It writes the sandbox's project file: the Pulumi.yaml of the program (`$SANDBOX_PROGRAM`, the
  checkout by default) with the offline providers and the folder of the stack's file. The
  configuration keys are therefore declared only in the program's Pulumi.yaml.
- It sets the engine's state, plugins and cloud to folders in `$SANDBOX_HOME` (`.sandbox` by
  default), and removes all AWS and Pulumi credentials from the environment.
- It creates the stack that `up` or `preview` names, if the stack does not exist.
- If `$SANDBOX_TARGET` is set, it uses a copy of the stack file with that target.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from sandbox.home import ROOT, cloud_path, program, sandbox_home
from sandbox.profile import profile

PLUGINS = ROOT / "sandbox" / "plugins"

# The commands that run the program, and the commands that read a stack's configuration.
CREATES_STACK = frozenset({"up", "update", "preview", "pre"})
READS_CONFIG = CREATES_STACK | {"destroy", "refresh", "import"}

# Flags of pulumi that take a path, relative to the caller's folder and not to the project's.
PATH_FLAGS = frozenset(
    {"--config-file", "--event-log", "--file", "--import-file", "--out", "--plan", "--policy-pack",
     "--policy-pack-config", "--save-plan"}
)  # fmt: skip
# Short flags by command: other commands use the same letters for other flags.
SHORT_PATH_FLAGS = {"import": frozenset({"-f", "-o"})}

# Flags before the command that have a value, and flags that only print help.
VALUE_FLAGS = frozenset({"--color", "--cwd", "--stack", "--tracing", "--verbose", "-C", "-s", "-v"})
HELP_FLAGS = frozenset({"--help", "-h"})

OWN_COMMANDS = """\
Commands of the sandbox; run one with --help for its options:
  serve    run the deployed fleet on the loopback interface
  token    print a token that the deployed fleet trusts
All other commands are those of pulumi:

"""


def main() -> NoReturn:
    """Replaces this process with `pulumi`, with the same arguments."""
    if sys.argv[1:] in ([], ["help"], *([flag] for flag in HELP_FLAGS)):
        sys.stdout.write(OWN_COMMANDS)
        sys.stdout.flush()
    home = sandbox_home()
    stack_files = Path(os.environ.get("SANDBOX_STACKS") or program()).resolve()
    args = absolute_paths(sys.argv[1:], Path.cwd())
    environment = engine_environment(os.environ, home)
    pulumi = [shutil.which("pulumi", path=environment["PATH"]) or "pulumi"]
    pulumi += ["-C", str(project_folder(home))]
    stack = stack_argument(args)
    write_project(home, config_folder(pulumi, environment, home, stack_files, stack))

    command = command_word(args)
    if command in CREATES_STACK:
        stack = create_stack(pulumi, environment, home, stack_files, stack)
    if command == "import" and not names_flag(args, "--generate-code", "--out", "-o"):
        # `pulumi import` generates code from a package's schema, which the offline providers lack.
        args = [*args, "--generate-code=false"]
    target = os.environ.get("SANDBOX_TARGET")
    if target and command in READS_CONFIG and not names_flag(args, "--config-file"):
        stack = stack or pulumi_says(pulumi, environment, "stack", "--show-name")
        args = [*args, "--config-file", str(with_target(home, stack_files, stack, target))]
    os.execve(pulumi[0], [*pulumi, *args], environment)  # noqa: S606 - no shell is needed


def command_word(args: Sequence[str]) -> str:
    """The command: the first argument that is neither a flag nor the value of a flag."""
    if HELP_FLAGS.intersection(args):
        return ""
    words = (
        arg
        for position, arg in enumerate(args)
        if not arg.startswith("-") and not (position and args[position - 1] in VALUE_FLAGS)
    )
    return next(words, "")


def names_flag(args: Sequence[str], *flags: str) -> bool:
    """Whether one of the flags is among the arguments, alone or as `FLAG=VALUE`."""
    return any(arg.partition("=")[0] in flags for arg in args)


def absolute_paths(args: Sequence[str], folder: Path) -> list[str]:
    """Makes the values of pulumi's path flags absolute, relative to the caller's folder."""
    short = SHORT_PATH_FLAGS.get(command_word(args), frozenset[str]())
    flags = PATH_FLAGS | short
    result: list[str] = []
    for position, arg in enumerate(args):
        flag, equals, value = arg.partition("=")
        if flag in flags and equals:
            result.append(f"{flag}={folder / value}")
        elif position and args[position - 1] in flags:
            result.append(str(folder / arg))
        elif arg[:2] in short and arg[2:]:
            result.append(f"{arg[:2]}{folder / arg[2:]}")
        else:
            result.append(arg)
    return result


def stack_argument(args: Sequence[str]) -> str | None:
    """The stack that `--stack NAME`, `--stack=NAME`, `-s NAME`, `-s=NAME` or `-sNAME` names.

    For `stack init NAME` and `stack rm NAME`, it is the word after the command.
    """
    for position, arg in enumerate(args):
        if arg.startswith("--stack="):
            return arg.removeprefix("--stack=")
        if arg in {"-s", "--stack"}:
            return args[position + 1] if position + 1 < len(args) else None
        if arg.startswith("-s"):
            return arg.removeprefix("-s").removeprefix("=")
    match args:
        case ["stack", "init" | "rm", name, *_] if not name.startswith("-"):
            return name
        case _:
            return None


def project_folder(home: Path) -> Path:
    """The folder of the sandbox's Pulumi.yaml."""
    return home / "project"


def stack_file(stack_files: Path, stack: str) -> Path:
    """The file of a stack: the first path of the profile that exists, or else the first path."""
    paths = [stack_files / path.format(stack=stack) for path in profile().stack_paths]
    return next((path for path in paths if path.exists()), paths[0])


def existing_stacks(home: Path) -> set[str]:
    """The names of the stacks in the sandbox's state."""
    stacks = home / "state" / ".pulumi" / "stacks" / load_yaml(program() / "Pulumi.yaml")["name"]
    return {path.stem for path in stacks.glob("*.json")}


def config_folder(
    pulumi: Sequence[str],
    environment: Mapping[str, str],
    home: Path,
    stack_files: Path,
    named: str | None,
) -> Path:
    """The folder of the stack's file. The stack is the named one, or else the selected one."""
    # `organization/project/stack` is also a name.
    stacks = {named.rpartition("/")[2]} if named else existing_stacks(home)
    folders = {stack_file(stack_files, stack).parent for stack in stacks or {profile().first_stack}}
    if len(folders) == 1:
        return folders.pop()
    selected = run_pulumi(pulumi, environment, "stack", "--show-name")
    # If no stack is selected, pulumi prompts for one or fails.
    stack = profile().first_stack if selected.returncode else selected.stdout.strip()
    return stack_file(stack_files, stack).parent


def write_project(home: Path, stack_files: Path) -> Path:
    """Writes the sandbox's Pulumi.yaml and returns its folder.

    The file is the program's Pulumi.yaml, with the paths of the program and of the stack files
    relative to that folder. Each provider is the offline one, at the version that the SDK requires.
    """
    folder = project_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    root = program()
    project = load_yaml(root / "Pulumi.yaml")
    project["main"] = os.path.relpath(root / project.get("main", ""), folder)
    project["stackConfigDir"] = os.path.relpath(stack_files, folder)
    project["runtime"] = {
        "name": "python",
        "options": {"toolchain": "pip", "virtualenv": os.path.relpath(ROOT / ".venv", folder)},
    }
    project["plugins"] = {
        "providers": [
            {"name": path.name, "path": os.path.relpath(path, folder)}
            for path in sorted(PLUGINS.iterdir())
            if path.is_dir()
        ]
    }
    text = yaml.safe_dump(project, sort_keys=False)
    target = folder / "Pulumi.yaml"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
    return folder


def engine_environment(outer: Mapping[str, str], home: Path) -> dict[str, str]:
    """The engine's environment: the caller's without credentials, with all state in `home`."""
    kept = {
        key: value
        for key, value in outer.items()
        if not key.startswith(("AWS_", "KUBE")) and key != "PULUMI_ACCESS_TOKEN"
    }
    state = home / "state"
    state.mkdir(parents=True, exist_ok=True)
    kept["SANDBOX_CLOUD"] = str(cloud_path(home, kept))
    if "PULUMI_CONFIG_PASSPHRASE_FILE" not in kept:
        kept.setdefault("PULUMI_CONFIG_PASSPHRASE", "sandbox")
    return kept | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(home / "pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


def create_stack(
    pulumi: Sequence[str],
    environment: Mapping[str, str],
    home: Path,
    stack_files: Path,
    named: str | None,
) -> str | None:
    """Creates the stack of a run: the named one, or the first stack of the profile.

    Returns:
        The stack's name, or None if a stack is already selected.
    """
    existing = existing_stacks(home)
    if named is None and existing:
        return None
    stack = named or profile().first_stack
    if stack in existing:
        return stack
    if not stack_file(stack_files, stack).exists():
        known = sorted(
            file.name.split(".")[1]
            for path in profile().stack_paths
            for file in stack_files.glob(path.format(stack="*"))
        )
        sys.exit(
            f"sandbox: there is no stack file Pulumi.{stack}.yaml; "
            f"the stack files here are for: {', '.join(known) or 'none'}"
        )
    pulumi_says(pulumi, environment, "stack", "init", stack)
    return stack


def run_pulumi(
    pulumi: Sequence[str], environment: Mapping[str, str], *args: str
) -> subprocess.CompletedProcess[str]:
    """Runs a pulumi command of the sandbox."""
    return subprocess.run(  # noqa: S603 - the arguments are the sandbox's
        [*pulumi, *args], env=dict(environment), capture_output=True, check=False, text=True
    )


def pulumi_says(pulumi: Sequence[str], environment: Mapping[str, str], *args: str) -> str:
    """The output of a pulumi command of the sandbox, which ends this process if it fails."""
    done = run_pulumi(pulumi, environment, *args)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    return done.stdout.strip()


def with_target(home: Path, stack_files: Path, stack: str, target: str) -> Path:
    """Writes a copy of the stack file with another target, and returns its path."""
    key = profile().target_key
    content = load_yaml(stack_file(stack_files, stack))
    content["config"] = {**content.get("config", {}), key: target}
    copy = home / f"Pulumi.{stack}.{target}.yaml"
    copy.write_text(yaml.safe_dump(content, sort_keys=False))
    return copy


def load_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that contains a mapping."""
    return yaml.safe_load(path.read_text())
