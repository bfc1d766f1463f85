from pathlib import Path

import pytest

from core.config.model import Image
from core.images import Repository, content_tag, ecr_repository, slug

_IMAGE = Image(context="clock", additional_contexts={"common": "shared"})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "clock/Dockerfile": "FROM scratch",
        "clock/server.py": "print()",
        "clock/notes.md": "not in the image",
        "clock/.dockerignore": "*\n!*.py\n",
        "shared/runtime.py": "RUN = 1",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("file", ["clock/Dockerfile", "clock/server.py", "shared/runtime.py"])
def test_the_tag_follows_what_the_image_is_built_from(project: Path, file: str):
    before = content_tag(_IMAGE, project)
    (project / file).write_text("changed")
    assert content_tag(_IMAGE, project) != before


def test_the_tag_follows_names_and_modes_too(project: Path):
    before = content_tag(_IMAGE, project)
    (project / "clock/server.py").chmod(0o755)
    executable = content_tag(_IMAGE, project)
    (project / "clock/server.py").rename(project / "clock/main.py")
    assert len({before, executable, content_tag(_IMAGE, project)}) == 3


def test_the_tag_follows_all_bits_of_a_mode_as_another_umask_sets_them(project: Path):
    (project / "shared/runtime.py").chmod(0o644)
    before = content_tag(_IMAGE, project)
    (project / "shared/runtime.py").chmod(0o664)
    shared = content_tag(_IMAGE, project)
    (project / "shared/runtime.py").chmod(0o4664)
    assert len({before, shared, content_tag(_IMAGE, project)}) == 3


@pytest.mark.parametrize(
    ("main", "further", "followed"),
    [("", "", True), ("*.log", "", True), ("", "*.log", True), ("*.log", "*.log", False)],
)
def test_a_file_of_a_further_context_counts_if_either_ignore_file_leaves_it_in(
    project: Path, main: str, further: str, followed: bool
):
    (project / "clock/.dockerignore").write_text(main)
    (project / "shared/.dockerignore").write_text(f"{further}\n.dockerignore\n")
    before = content_tag(_IMAGE, project)
    (project / "shared/run.log").write_text("new")
    assert (content_tag(_IMAGE, project) != before) is followed


def test_the_tag_follows_the_ignore_file_the_paths_and_the_names_of_contexts(project: Path):
    (project / "other").mkdir()
    (project / "other/runtime.py").write_text("RUN = 1")
    (project / "other/runtime.py").chmod((project / "shared/runtime.py").stat().st_mode)
    tags = [content_tag(_IMAGE, project)]
    for contexts in ({"common": "other"}, {"shared": "shared"}, {}):
        image = Image(context="clock", additional_contexts=contexts)
        tags.append(content_tag(image, project))
    (project / "clock/.dockerignore").write_text("*\n!*.py\n*.md\n")
    tags.append(content_tag(_IMAGE, project))
    (project / "clock/Dockerfile.dockerignore").write_text("*\n!*.md\n")
    tags.append(content_tag(_IMAGE, project))
    assert len(set(tags)) == len(tags)


def test_the_tag_does_not_follow_what_the_image_does_not_see(project: Path):
    before = content_tag(_IMAGE, project)
    (project / "clock/notes.md").write_text("changed")
    (project / "clock/deep").mkdir()
    (project / "clock/deep/notes.md").write_text("new")
    assert content_tag(_IMAGE, project) == before


def test_the_tag_is_one_that_a_registry_takes(project: Path):
    tag = content_tag(_IMAGE, project)
    assert len(tag) == 16
    assert set(tag) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("line", "file", "seen"),
    [
        ("server.py", "clock/server.py", False),
        ("/server.py", "clock/server.py", False),
        # A pattern of a .dockerignore starts at the root, unlike one of a .gitignore.
        ("server.py", "clock/deep/server.py", True),
        ("**/server.py", "clock/deep/server.py", False),
        ("# server.py", "clock/server.py", True),
        ("*\n!server.py", "clock/server.py", True),
    ],
)
def test_a_dockerignore_is_read_as_docker_reads_it(project: Path, line: str, file: str, seen: bool):
    (project / "clock/.dockerignore").write_text(f"{line}\n")
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text("before")
    before = content_tag(_IMAGE, project)
    (project / file).write_text("after")
    assert (content_tag(_IMAGE, project) != before) is seen


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image(context="workloads/clock"), "workloads-clock"),
        (Image(context="./Workloads/Clock_2/"), "workloads-clock-2"),
        (Image(context="workloads", dockerfile="clock.Dockerfile"), "workloads-clock-dockerfile"),
        (Image(context="."), "root"),
    ],
)
def test_a_build_is_named_after_its_folder_and_its_dockerfile(image: Image, expected: str):
    assert slug(image) == expected


_DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("uri", "region", "name"),
    [
        (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/clock{_DIGEST}", "us-east-1", "clock"),
        (f"123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/a/b{_DIGEST}", "us-gov-west-1", "a/b"),
        (f"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a{_DIGEST}", "cn-north-1", "a"),
        (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1{_DIGEST}", "us-east-1", "a"),
    ],
)
def test_an_image_in_a_private_repository_of_ecr_names_it(uri: str, region: str, name: str):
    assert ecr_repository(uri) == Repository(account="123456789012", region=region, name=name)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        f"public.ecr.aws/example/clock{_DIGEST}",
        f"12345678901.dkr.ecr.us-east-1.amazonaws.com/clock{_DIGEST}",
        f"1234567890123.dkr.ecr.us-east-1.amazonaws.com/clock{_DIGEST}",
        f"example.com/123456789012.dkr.ecr.us-east-1.amazonaws.com/clock{_DIGEST}",
        f"123456789012.dkr.ecr.us-east-1.amazonaws.com.example.com/clock{_DIGEST}",
        f"123456789012.dkr.ecr.us-east-1.amazonaws.com{_DIGEST}",
    ],
)
def test_an_image_anywhere_else_is_in_no_repository_of_ecr(uri: str):
    assert ecr_repository(uri) is None
