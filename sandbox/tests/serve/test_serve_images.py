"""Images: the build of a reference, the files from its Dockerfile, and the command."""

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.home import ROOT
from sandbox.providers.docker_build.provider import IMAGE, content_hash, context_hash
from sandbox.serve.fleet import DeployedError, Process
from sandbox.serve.processes.images import Image, lay_out

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/clock"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "clock"
    made.mkdir()
    return made


def write(folder: Path, *names: str) -> None:
    """Writes files that contain their names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def build(cloud: Cloud, context: Path, text: str, **inputs: Any) -> str:
    """Puts a build into the cloud, and returns the reference of its image."""
    if "dockerfile" not in inputs:
        (context / "Dockerfile").write_text(text)
    named = {name: {"location": str(path)} for name, path in inputs.pop("named", {}).items()}
    built = {"context": {"location": str(context), "named": named}, **inputs}
    content = content_hash(built)
    put(cloud, built, content)
    return f"{REPOSITORY}@sha256:{content}"


def put(cloud: Cloud, built: dict[str, Any], content: str) -> None:
    digest = f"sha256:{content}"
    properties = {**built, "contextHash": context_hash(built), "digest": digest}
    cloud.put(
        StoredResource(
            provider="docker-build", type=IMAGE, id=digest, inputs=built, properties=properties
        )
    )


def process(image: str, **changes: Any) -> Process:
    values: dict[str, Any] = {"name": "clock", "image": image, "kind": "task"}
    return Process(**(values | changes))


def laid_out(cloud: Cloud, context: Path, text: str, **inputs: Any) -> Image:
    reference = build(cloud, context, text, **inputs)
    return lay_out(cloud, process(reference), context.parent / "home")


def contents(image: Image) -> dict[str, str]:
    """The files of an image and their contents."""
    return {
        path.relative_to(image.root).as_posix(): path.read_text()
        for path in image.root.rglob("*")
        if path.is_file()
    }


def started(cloud: Cloud, context: Path, lines: str, **changes: Any) -> list[str]:
    """The command of an image whose last stage has these lines."""
    reference = build(cloud, context, f"FROM scratch\n{lines}\n")
    deployed = process(reference, **changes)
    return lay_out(cloud, deployed, context.parent / "home").start_words(deployed)


def refusal(cloud: Cloud, context: Path, text: str, **inputs: Any) -> str:
    with pytest.raises(DeployedError) as refused:
        laid_out(cloud, context, text, **inputs)
    return str(refused.value)


WORKLOAD = """\
ARG PYTHON=python:3.14-slim
ARG ADAPTER=public.ecr.aws/awsguru/aws-lambda-adapter:1.0.0
FROM ${PYTHON} AS build
WORKDIR /build
COPY requirements.txt ./
RUN pip install --requirement requirements.txt
COPY *.py /app/clock/
# hadolint ignore=DL3022
COPY --from=common *.py /app/common/
FROM ${ADAPTER} AS adapter
FROM ${PYTHON}
COPY --from=adapter /lambda-adapter /opt/extensions/lambda-adapter
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \\
    PORT=8080
ENTRYPOINT ["python", "-m", "clock.server"]
"""


def test_an_image_has_what_its_stages_copy_and_nothing_else(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    write(context, "__init__.py", "server.py", "requirements.txt", "notes.md", "deep/er.py")
    write(tmp_path / "common", "__init__.py", "settings.py", "notes.md")
    image = laid_out(cloud, context, WORKLOAD, named={"common": tmp_path / "common"})
    assert contents(image) == {
        "app/clock/__init__.py": "__init__.py",
        "app/clock/server.py": "server.py",
        "app/common/__init__.py": "__init__.py",
        "app/common/settings.py": "settings.py",
    }
    assert image == Image(
        root=tmp_path / "home" / "images" / "clock",
        entry_point=("python", "-m", "clock.server"),
        command=(),
        environment={"PORT": "8080"},
        working_folder="/app",
        stop_signal=signal.SIGTERM,
    )
    assert image.folder == image.root / "app"
    assert [path.name for path in (tmp_path / "home" / "images").iterdir()] == ["clock"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("COPY a.py /x", {"x": "a.py"}),
        ("COPY a.py /x/", {"x/a.py": "a.py"}),
        ("COPY ./a.py /x/", {"x/a.py": "a.py"}),
        ("COPY /a.py /x/", {"x/a.py": "a.py"}),
        ("COPY a.py .", {"a.py": "a.py"}),
        ("WORKDIR /w\nCOPY a.py .", {"w/a.py": "a.py"}),
        ("WORKDIR /w\nCOPY a.py ./", {"w/a.py": "a.py"}),
        ("WORKDIR /w\nCOPY a.py /w", {"w/a.py": "a.py"}),
        ("WORKDIR /w\nWORKDIR deeper\nCOPY a.py b.x", {"w/deeper/b.x": "a.py"}),
        ("WORKDIR /w\nWORKDIR /v\nCOPY a.py b.x", {"v/b.x": "a.py"}),
        ("COPY a.py /x/y\nCOPY b.py /x", {"x/y": "a.py", "x/b.py": "b.py"}),
        ("COPY *.py /x/", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY ?.py /x/", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY a.py b.py /x/", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY src /x", {"x/c.py": "src/c.py", "x/sub/d.py": "src/sub/d.py"}),
        ("COPY src/ /x/", {"x/c.py": "src/c.py", "x/sub/d.py": "src/sub/d.py"}),
        ("COPY s*c /x/", {"x/c.py": "src/c.py", "x/sub/d.py": "src/sub/d.py"}),
        ("COPY src/*.py /x/", {"x/c.py": "src/c.py"}),
        ("COPY */c.py /x/", {"x/c.py": "src/c.py"}),
        ("COPY a.py /x\nCOPY b.py /x", {"x": "b.py"}),
        ("COPY --chown=1:1 --chmod=755 --link a.py /x", {"x": "a.py"}),
        ('COPY ["with space.py", "/x/"]', {"x/with space.py": "with space.py"}),
        ('COPY "with space.py" /x/', {"x/with space.py": "with space.py"}),
        ("ADD a.py /x", {"x": "a.py"}),
        ("ARG NAME=a\nCOPY ${NAME}.py /$NAME/", {"a/a.py": "a.py"}),
        ("ENV NAME=b\nCOPY ${NAME}.py /$NAME/", {"b/b.py": "b.py"}),
        ("COPY a.py ../../../x", {"x": "a.py"}),
        ("COPY --from=somebody/else:1 /a.py /x", {}),
        ("COPY \\\n  a.py \\\n  # why\n  /x", {"x": "a.py"}),
        ("copy a.py /x", {"x": "a.py"}),
    ],
)
def test_what_copy_names_lands_where_docker_puts_it(
    cloud: Cloud, context: Path, lines: str, expected: dict[str, str]
) -> None:
    write(context, "a.py", "b.py", "with space.py", "src/c.py", "src/sub/d.py")
    (context / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    if "*.py" in lines or "?" in lines:
        (context / "with space.py").unlink()
    image = laid_out(cloud, context, f'FROM scratch\n{lines}\nCMD ["x"]\n')
    assert contents(image) == expected


def test_the_whole_context_is_what_dockerignore_leaves_in(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    write(context, "a.py", "__pycache__/a.pyc", "secret.txt", "keep.txt")
    (context / ".dockerignore").write_text("*\n!*.py\n!keep.txt\n")
    write(tmp_path / "common", "b.py", "b.log")
    (tmp_path / "common" / ".dockerignore").write_text("*.log\n.dockerignore\n")
    dockerfile = 'FROM scratch\nCOPY . /own\nCOPY --from=common . /common\nCMD ["x"]\n'
    image = laid_out(cloud, context, dockerfile, named={"common": tmp_path / "common"})
    assert sorted(contents(image)) == ["common/b.py", "own/a.py", "own/keep.txt"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("FROM scratch\nCOPY --from=first /x /y", {"y/a.py"}),
        ("FROM scratch\nCOPY --from=FIRST /x/a.py /y", {"y"}),
        ("FROM scratch\nCOPY --from=0 /x /y", {"y/a.py"}),
        ("FROM scratch\nCOPY --from=1 / /y", {"y/b.py"}),
        ("FROM scratch\nCOPY --from=first /made/by/run /y", set[str]()),
        ("FROM first\nCOPY b.py /y/", {"x/a.py", "y/b.py"}),
        ("FROM --platform=linux/arm64 first AS last\nCOPY b.py /y/", {"x/a.py", "y/b.py"}),
    ],
)
def test_a_stage_has_what_it_takes_from_the_others(
    cloud: Cloud, context: Path, last: str, expected: set[str]
) -> None:
    write(context, "a.py", "b.py")
    stages = "FROM scratch AS first\nCOPY a.py /x/\nFROM scratch\nCOPY b.py /\n"
    image = laid_out(cloud, context, f'{stages}{last}\nCMD ["x"]\n')
    assert contents(image).keys() == expected


def test_a_named_context_comes_before_a_stage_of_the_same_name(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    write(context, "a.py")
    write(tmp_path / "common", "b.py")
    dockerfile = (
        'FROM scratch AS common\nCOPY a.py /\nFROM scratch\nCOPY --from=common / /x/\nCMD ["x"]\n'
    )
    image = laid_out(cloud, context, dockerfile, named={"common": tmp_path / "common"})
    assert contents(image) == {"x/b.py": "b.py"}


@pytest.mark.parametrize(
    ("target", "command"), [("one", "1"), ("TWO", "2"), ("three", "3"), (None, "3")]
)
def test_the_image_is_the_stage_that_is_asked_for(
    cloud: Cloud, context: Path, target: str | None, command: str
) -> None:
    stages = 'FROM scratch AS one\nCMD ["1"]\nFROM one AS two\nCMD ["2"]\nFROM two AS three\n'
    inputs = {"target": target} if target else {}
    image = laid_out(cloud, context, f'{stages}CMD ["3"]\n', **inputs)
    assert image.command == (command,)


@pytest.mark.parametrize(
    ("lines", "environment"),
    [
        ("ENV A=1 B=2", {"A": "1", "B": "2"}),
        ("ENV A=1\nENV A=2", {"A": "2"}),
        ("ENV A=\"with space\" B='$C' C=x\\ y", {"A": "with space", "B": "$C", "C": "x y"}),
        ("ENV A with space", {"A": "with space"}),
        ("ENV A=1\nENV B=${A}2 C=$A", {"A": "1", "B": "12", "C": "1"}),
        ("ENV A=1\nENV A=2 B=$A", {"A": "2", "B": "1"}),
        ("ENV PATH=/venv/bin:$PATH A=1", {"A": "1"}),
        ("ARG V=7\nENV A=$V", {"A": "7"}),
        ('ARG V="7 8" W=9\nENV A=$V$W', {"A": "7 89"}),
        ("ARG V\nENV A=x$V", {"A": "x"}),
        ("ARG GIVEN=1\nENV A=$GIVEN", {"A": "given"}),
        ("ARG OUTER\nENV A=$OUTER", {"A": "outer"}),
        ("ARG OUTER=inner\nENV A=$OUTER", {"A": "inner"}),
        ("ENV A=x$OUTER", {"A": "x"}),
        ('ENV JSON={\\"a\\":1}', {"JSON": '{"a":1}'}),
    ],
)
def test_variables_are_set_as_docker_sets_them(
    cloud: Cloud, context: Path, lines: str, environment: dict[str, str]
) -> None:
    dockerfile = f'ARG OUTER=outer\nFROM scratch\n{lines}\nCMD ["x"]\n'
    image = laid_out(cloud, context, dockerfile, buildArgs={"GIVEN": "given"})
    assert image.environment == environment


def test_a_stage_on_another_has_its_settings_but_not_its_arguments(
    cloud: Cloud, context: Path
) -> None:
    first = "FROM scratch AS first\nARG V=1\nENV A=a\nWORKDIR /w\nSTOPSIGNAL SIGINT\n"
    image = laid_out(cloud, context, f'{first}CMD ["x"]\nFROM first\nENV B=b$V\n')
    assert image.environment == {"A": "a", "B": "b"}
    assert (image.working_folder, image.stop_signal) == ("/w", signal.SIGINT)
    assert image.command == ("x",)


def test_a_stage_on_an_image_of_others_has_no_settings_of_an_earlier_one(
    cloud: Cloud, context: Path
) -> None:
    first = 'FROM scratch\nENV A=a\nWORKDIR /w\nSTOPSIGNAL SIGINT\nENTRYPOINT ["e"]\n'
    image = laid_out(cloud, context, f'{first}FROM scratch\nCMD ["x"]\n')
    assert (image.environment, image.working_folder, image.stop_signal) == ({}, "/", signal.SIGTERM)
    assert (image.entry_point, image.command) == ((), ("x",))


@pytest.mark.parametrize(
    ("lines", "changes", "words"),
    [
        ('ENTRYPOINT ["serve"]', {}, ["serve"]),
        ('CMD ["serve", "-v"]', {}, ["serve", "-v"]),
        ('ENTRYPOINT ["serve"]\nCMD ["-v"]', {}, ["serve", "-v"]),
        ('CMD ["-v"]\nENTRYPOINT ["serve"]', {}, ["serve", "-v"]),
        ('ENTRYPOINT ["a"]\nENTRYPOINT ["b"]', {}, ["b"]),
        ("ENTRYPOINT serve -v", {}, ["/bin/sh", "-c", "serve -v"]),
        ("CMD serve $PORT", {}, ["/bin/sh", "-c", "serve $PORT"]),
        ("CMD [ -f x ] && serve", {}, ["/bin/sh", "-c", "[ -f x ] && serve"]),
        ('CMD "serve"', {}, ["/bin/sh", "-c", '"serve"']),
        ('ENTRYPOINT ["serve", "$HOME"]', {}, ["serve", "$HOME"]),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', {"arguments": ("c", "d")}, ["a", "c", "d"]),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', {"entry_point": ("c", "d")}, ["c", "d"]),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', {"entry_point": ("c",), "arguments": ("d",)}, ["c", "d"]),
        ('ENTRYPOINT ["a"]\nCMD ["b"]', {"arguments": ()}, ["a", "b"]),
        ("", {"entry_point": ("c",)}, ["c"]),
        ("", {"arguments": ("c",)}, ["c"]),
        ('ENTRYPOINT ["python", "-m", "clock"]', {}, [sys.executable, "-m", "clock"]),
        ('ENTRYPOINT ["/venv/bin/python3.14", "x"]', {}, [sys.executable, "x"]),
        ('ENTRYPOINT ["/usr/bin/env", "python"]', {}, ["/usr/bin/env", "python"]),
        ('ENTRYPOINT ["pythonic"]', {}, ["pythonic"]),
    ],
)
def test_what_is_started_follows_from_the_image_and_what_is_deployed(
    cloud: Cloud, context: Path, lines: str, changes: dict[str, Any], words: list[str]
) -> None:
    assert started(cloud, context, lines, **changes) == words


def test_a_file_of_the_image_is_started_where_it_lies(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    write(context, "serve.py")
    lines = 'COPY serve.py /app/\nENTRYPOINT ["python", "/app/serve.py", "/app", "/nowhere"]'
    place = tmp_path / "home" / "images" / "clock" / "app" / "serve.py"
    assert started(cloud, context, lines) == [sys.executable, str(place), "/app", "/nowhere"]


def test_a_stage_with_another_entry_point_loses_the_command_of_its_base(
    cloud: Cloud, context: Path
) -> None:
    first = 'FROM scratch AS first\nENTRYPOINT ["a"]\nCMD ["b"]\n'
    image = laid_out(cloud, context, f'{first}FROM first\nENTRYPOINT ["c"]\n')
    assert (image.entry_point, image.command) == (("c",), ())
    image = laid_out(cloud, context, f'{first}FROM first\nCMD ["d"]\n')
    assert (image.entry_point, image.command) == (("a",), ("d",))


def test_a_file_keeps_the_right_to_be_run(cloud: Cloud, context: Path) -> None:
    write(context, "run.sh", "data")
    (context / "run.sh").chmod(0o755)
    (context / "data").chmod(0o644)
    image = laid_out(cloud, context, 'FROM scratch\nCOPY run.sh data /\nCMD ["/run.sh"]\n')
    modes = [(image.root / name).stat().st_mode & 0o111 for name in ("run.sh", "data")]
    assert modes == [0o111, 0]


def test_the_working_folder_is_there_even_if_nothing_lies_in_it(
    cloud: Cloud, context: Path
) -> None:
    image = laid_out(cloud, context, 'FROM scratch\nWORKDIR /a/b\nCMD ["x"]\n')
    assert image.folder.is_dir()


def test_what_lay_there_before_is_gone(cloud: Cloud, context: Path, tmp_path: Path) -> None:
    write(context, "a.py")
    image = laid_out(cloud, context, 'FROM scratch\nCOPY a.py /a.py\nCMD ["x"]\n')
    write(image.root, "left/over.py")
    image = laid_out(cloud, context, 'FROM scratch\nCOPY a.py /b.py\nCMD ["x"]\n')
    assert contents(image) == {"b.py": "a.py"}


def test_processes_of_one_image_have_their_own_copies_of_it(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    write(context, "a.py")
    reference = build(cloud, context, 'FROM scratch\nCOPY a.py /\nCMD ["x"]\n')
    roots = [
        lay_out(cloud, process(reference, name=name), tmp_path).root
        for name in ("agent", "agent/clock")
    ]
    assert roots == [tmp_path / "images" / "agent", tmp_path / "images" / "agent.clock"]
    assert [[path.name for path in root.iterdir()] for root in roots] == [["a.py"], ["a.py"]]


@pytest.mark.parametrize("name", ["other/Dockerfile", "Dockerfile.slim"])
def test_the_dockerfile_may_lie_elsewhere(cloud: Cloud, context: Path, name: str) -> None:
    write(context, name)
    (context / name).write_text('FROM scratch\nCMD ["elsewhere"]\n')
    location = {"location": str(context / name)}
    image = laid_out(cloud, context, "not read\n", dockerfile=location)
    assert image.command == ("elsewhere",)


def test_the_dockerfile_may_stand_in_the_build(cloud: Cloud, context: Path) -> None:
    inline = {"inline": 'FROM scratch\nCMD ["inline"]\n'}
    assert laid_out(cloud, context, "", dockerfile=inline).command == ("inline",)


def test_folders_start_at_the_project_wherever_the_command_is_run(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.chdir(ROOT)
        reference = workload(cloud, "clock")
    monkeypatch.chdir(tmp_path)
    image = lay_out(cloud, process(reference), tmp_path)
    assert image.start_words(process(reference)) == [
        sys.executable,
        "-m",
        "common.run",
        "clock.server",
    ]
    clock, common = ROOT / "workloads" / "clock", ROOT / "workloads" / "common"
    assert contents(image) == {
        f"app/{folder.name}/{path.name}": path.read_text()
        for folder in (clock, common)
        for path in folder.glob("*.py")
    }


def workload(cloud: Cloud, name: str) -> str:
    """Puts the build of a workload of this repository into the cloud, as the program does."""
    built = {
        "context": {
            "location": f"workloads/{name}",
            "named": {"common": {"location": "workloads/common"}},
        },
        "dockerfile": {"location": f"workloads/{name}/Dockerfile"},
        "platforms": ["linux/arm64"],
    }
    content = content_hash(built)
    put(cloud, built, content)
    return f"{REPOSITORY}@sha256:{content}"


def test_the_image_of_functions_is_started_as_lambdas_base_image_does(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    deployed = process(workload(cloud, "functions"), arguments=("tools.handle",))
    image = lay_out(cloud, deployed, tmp_path)
    assert image.start_words(deployed) == [sys.executable, "-m", "awslambdaric", "tools.handle"]
    assert image.command == ("authorizer.handle",)
    assert (image.working_folder, image.folder) == ("/var/task", image.root / "var" / "task")
    assert {"tools.py", "authorizer.py", "common"} <= {path.name for path in image.folder.iterdir()}


def test_an_image_that_the_stack_does_not_build_is_refused(
    cloud: Cloud, context: Path, tmp_path: Path
) -> None:
    build(cloud, context, 'FROM scratch\nCMD ["x"]\n')
    for image in (f"{REPOSITORY}@sha256:{64 * 'a'}", f"{REPOSITORY}:latest"):
        with pytest.raises(DeployedError) as refused:
            lay_out(cloud, process(image), tmp_path / "home")
        assert str(refused.value) == (
            f"clock: the image {image} is not among those that the stack builds, and other images "
            "are not available here; give the workload an image with a context"
        )
    assert not (tmp_path / "home").exists()


def change_a_file(context: Path) -> None:
    (context / "a.py").write_text("changed")


def add_a_file(context: Path) -> None:
    (context / "b.py").write_text("")


def take_a_file_away(context: Path) -> None:
    (context / "a.py").unlink()


def change_the_dockerfile(context: Path) -> None:
    (context / "Dockerfile").write_text('FROM scratch\nCMD ["y"]\n')


def take_the_dockerfile_away(context: Path) -> None:
    (context / "Dockerfile").unlink()


def take_all_away(context: Path) -> None:
    shutil.rmtree(context)


@pytest.mark.parametrize(
    "change",
    [
        change_a_file,
        add_a_file,
        take_a_file_away,
        change_the_dockerfile,
        take_the_dockerfile_away,
        take_all_away,
    ],
)
def test_files_that_are_not_those_that_were_deployed_are_refused(
    cloud: Cloud, context: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    write(context, "a.py", "ignored.log")
    (context / ".dockerignore").write_text("*.log\n")
    reference = build(cloud, context, 'FROM scratch\nCMD ["x"]\n')
    (context / "ignored.log").write_text("changed")
    assert lay_out(cloud, process(reference), tmp_path / "home").command == ("x",)
    change(context)
    with pytest.raises(DeployedError) as refused:
        lay_out(cloud, process(reference), tmp_path / "home")
    assert str(refused.value) == (
        f"clock: the files in {context}, from which its image is built, have changed since it was "
        "deployed; run bin/sandbox up, or restore them"
    )


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("COPY b.py /", "line 2, COPY b.py /: b.py is not in the build context"),
        ("COPY a.py b.py /", "line 2, COPY a.py b.py /: b.py is not in the build context"),
        ("COPY *.txt /", "line 2, COPY *.txt /: *.txt is not in the build context"),
        ("COPY a.log /", "line 2, COPY a.log /: a.log is not in the build context"),
        ("COPY deep/a.py /", "line 2, COPY deep/a.py /: deep/a.py is not in the build context"),
        ("ADD https://example.com/a /", "https://example.com/a is not in the build context"),
        (
            "COPY --from=common b.py /",
            "line 2, COPY --from=common b.py /: b.py is not in the build context",
        ),
        (
            "COPY --parents a.py /",
            "line 2, COPY --parents a.py /: --parents is not supported; supported: --chmod, "
            "--chown, "
            "--from, --link",
        ),
        (
            "WORKDIR ${HOME:-/app}",
            "line 2, WORKDIR ${HOME:-/app}: variables with a modifier, such as ${NAME:-default}, "
            "are not supported",
        ),
        ("ENV A=1 B", "line 2, ENV A=1 B: "),
    ],
)
def test_a_dockerfile_that_cannot_be_played_is_refused_with_its_line(
    cloud: Cloud, context: Path, tmp_path: Path, lines: str, reason: str
) -> None:
    write(context, "a.py", "a.log")
    write(tmp_path / "common", "a.py")
    (context / ".dockerignore").write_text("*.log\n")
    dockerfile = f'FROM scratch\n{lines}\nCMD ["x"]\n'
    said = refusal(cloud, context, dockerfile, named={"common": tmp_path / "common"})
    assert said.startswith(f"clock: the sandbox cannot use {context / 'Dockerfile'}: line 2, ")
    assert reason in said


def test_what_is_not_played_may_say_what_it_likes(cloud: Cloud, context: Path) -> None:
    lines = "RUN echo ${HOME:-/app}\nHEALTHCHECK CMD test -f /b\nLABEL a=${B:-c}\nEXPOSE ${P:-80}"
    assert started(cloud, context, f'{lines}\nCMD ["x"]') == ["x"]


def test_an_image_that_does_not_say_what_it_starts_is_refused(cloud: Cloud, context: Path) -> None:
    said = refusal(cloud, context, "FROM nginx:1\n")
    assert said == (
        f"clock: {context / 'Dockerfile'} has neither an ENTRYPOINT nor a CMD, and those of its "
        "base image are not available here; set them in the Dockerfile"
    )


@pytest.mark.parametrize("written", ["SIGINT", "INT", "sigint", "2"])
def test_a_stop_signal_is_a_name_in_letters_of_any_size_or_a_number(
    cloud: Cloud, context: Path, written: str
) -> None:
    image = laid_out(cloud, context, f'FROM scratch\nSTOPSIGNAL {written}\nCMD ["x"]\n')
    assert image.stop_signal == signal.SIGINT


def test_a_stop_signal_that_is_none_is_told(cloud: Cloud, context: Path) -> None:
    with pytest.raises(DeployedError, match="STOPSIGNAL SIGNONE: SIGNONE is not a known signal"):
        laid_out(cloud, context, 'FROM scratch\nSTOPSIGNAL SIGNONE\nCMD ["x"]\n')
