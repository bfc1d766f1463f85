"""Images: their digests, their repositories, and refused inputs."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import Call, Change, Context, Made, RefusedError
from sandbox.providers.docker_build.provider import IMAGE, PROVIDER, content_hash, files
from sandbox.values.wire import UNKNOWN

REPOSITORY = "aws:ecr/repository:Repository"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    (made / "src").mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM python:3.13-slim AS base\nCOPY . .\n")
    (made / "src" / "app.py").write_text("pass\n")
    return made


@pytest.fixture
def context(cloud: Cloud) -> Context:
    return Context(cloud=cloud, config={}, warn=lambda _, text: None)


def call(inputs: dict[str, Any], **more: Any) -> Call:
    return Call(type=IMAGE, urn=f"urn:pulumi:d::p::{IMAGE}::it", name="it", inputs=inputs, **more)


def image(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"context": {"location": str(folder)}, "push": False, **changes}


def make(context: Context, inputs: dict[str, Any]) -> Made:
    assert PROVIDER.check(context, call(inputs)).failures == []
    return PROVIDER.create(context, call(inputs))


def reasons(context: Context, inputs: dict[str, Any]) -> list[str]:
    return [failure.reason for failure in PROVIDER.check(context, call(inputs)).failures]


def test_the_same_sources_are_the_same_image_and_others_another(context: Context, folder: Path):
    first = make(context, image(folder, platforms=["linux/arm64"]))
    assert first.properties["digest"].startswith("sha256:")
    assert len(first.properties["digest"]) == len("sha256:") + 64
    assert make(context, image(folder, platforms=["linux/arm64"])).properties == first.properties
    other = make(context, image(folder, platforms=["linux/amd64"]))
    assert other.properties["digest"] != first.properties["digest"]
    (folder / "src" / "app.py").write_text("print()\n")
    changed = make(context, image(folder, platforms=["linux/arm64"]))
    assert changed.properties["digest"] != first.properties["digest"]


def test_files_in_dockerignore_are_not_part_of_the_image(folder: Path):
    before = content_hash(image(folder))
    (folder / ".dockerignore").write_text("# comment\n*.log\n**/cache\nsecret\n!secret/keep.txt\n")
    names = ["a.log", "src/cache/x", "cache/y", "secret/no.txt", "secret/keep.txt"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    kept = [path.relative_to(folder).as_posix() for path in files(folder)]
    assert kept == [".dockerignore", "Dockerfile", "secret/keep.txt", "src/app.py"]
    again = content_hash(image(folder))
    assert again != before
    (folder / "a.log").write_text("more")
    assert content_hash(image(folder)) == again


def test_files_of_a_named_context_are_part_of_the_image(folder: Path, tmp_path: Path):
    common = tmp_path / "common"
    common.mkdir()
    built = image(folder)
    built["context"] = {**built["context"], "named": {"common": {"location": str(common)}}}
    before = content_hash(built)
    (common / "shared.py").write_text("print()\n")
    assert content_hash(built) != before
    (common / "shared.py").unlink()
    assert content_hash(built) == before


def test_wrong_inputs_are_refused(context: Context, folder: Path):
    assert (
        "'linux/arm65' is not a platform; allowed: "
        in reasons(context, image(folder, platforms=["linux/arm65"]))[0]
    )
    assert "is not a folder" in reasons(context, image(folder / "nowhere"))[0]
    assert (
        "'App:V 1' is not an image reference"
        in reasons(context, image(folder, tags=["App:V 1"]))[0]
    )
    assert "needs at least one tag" in reasons(context, image(folder, push=True))[0]
    assert "'prod' is not a stage" in reasons(context, image(folder, target="prod"))[0]
    assert reasons(context, image(folder, target="base")) == []
    assert "colour is not a property" in reasons(context, image(folder, colour="red"))[0]
    (folder / "Dockerfile").write_text("COPY . .\n")
    assert "the Dockerfile has no FROM" in reasons(context, image(folder))[0]
    (folder / "Dockerfile").unlink()
    assert "is not a file" in reasons(context, image(folder))[0]


def test_an_unknown_tag_is_valid_and_leaves_digest_and_ref_unknown(context: Context, folder: Path):
    inputs = image(folder, push=True, tags=[UNKNOWN])
    assert reasons(context, inputs) == []
    seen = PROVIDER.create(context, call(inputs, preview=True)).properties
    assert seen["digest"] is UNKNOWN
    assert seen["ref"] is UNKNOWN


def test_a_pushed_image_is_in_its_repository_until_it_is_deleted(
    account: Any, context: Context, folder: Path
):
    repository = account.make(REPOSITORY, name="app")
    tag = f"{repository.properties['repositoryUrl']}:v1"
    made = make(context, image(folder, push=True, tags=[tag]))
    assert made.properties["ref"] == f"{tag}@{made.properties['digest']}"
    with pytest.raises(RefusedError, match="RepositoryNotEmptyException"):
        account.delete(REPOSITORY, repository)
    PROVIDER.delete(context, call({}, id=made.id))
    account.delete(REPOSITORY, repository)
    assert context.cloud.list() == []


def test_a_repository_with_force_delete_is_deleted_with_its_images(
    account: Any, context: Context, folder: Path
):
    repository = account.make(REPOSITORY, name="app", forceDelete=True)
    make(
        context,
        image(folder, push=True, tags=[f"{repository.properties['repositoryUrl']}:v1"]),
    )
    account.delete(REPOSITORY, repository)
    assert context.cloud.list() == []


def test_a_push_to_a_missing_repository_is_refused(context: Context, folder: Path):
    tag = "123456789012.dkr.ecr.us-east-1.amazonaws.com/nowhere:v1"
    with pytest.raises(RefusedError, match=r"the repository .*nowhere does not exist"):
        make(context, image(folder, push=True, tags=[tag]))


def test_an_immutable_tag_takes_one_digest_only(account: Any, context: Context, folder: Path):
    repository = account.make(REPOSITORY, name="app", imageTagMutability="IMMUTABLE")
    inputs = image(folder, push=True, tags=[f"{repository.properties['repositoryUrl']}:v1"])
    make(context, inputs)
    make(context, inputs)
    (folder / "src" / "app.py").write_text("print()\n")
    with pytest.raises(RefusedError, match="ImageTagAlreadyExistsException"):
        make(context, inputs)


def test_an_update_pushes_no_immutable_tag_a_second_time(
    account: Any, context: Context, folder: Path
):
    repository = account.make(REPOSITORY, name="app", imageTagMutability="IMMUTABLE")
    url = repository.properties["repositoryUrl"]
    inputs = image(folder, push=True, tags=[f"{url}:v1"])
    (folder / "src" / "app.py").chmod(0o644)
    made = make(context, inputs)
    (folder / "src" / "app.py").chmod(0o664)  # as with the umask of another checkout
    again = call(inputs, id=made.id, old_inputs=inputs, properties=made.properties)
    assert PROVIDER.diff(context, again).changes == {("contextHash",): Change.UPDATE}
    with pytest.raises(RefusedError, match="ImageTagAlreadyExistsException"):
        PROVIDER.update(context, again)
    other = {**inputs, "tags": [f"{url}:v2"]}
    after = PROVIDER.update(
        context, call(other, id=made.id, old_inputs=inputs, properties=made.properties)
    )
    assert after["tags"] == [f"{url}:v2"]


@pytest.mark.parametrize(("ignored", "again"), [("", True), ("*.log", False)])
def test_the_provider_applies_the_main_ignore_file_to_all_contexts(
    context: Context, folder: Path, tmp_path: Path, ignored: str, again: bool
):
    further = tmp_path / "further"
    further.mkdir()
    (further / ".dockerignore").write_text("*.log\n")
    (folder / ".dockerignore").write_text(ignored)
    inputs = image(folder)
    inputs["context"]["named"] = {"further": {"location": str(further)}}
    before = make(context, inputs).properties
    (further / "run.log").write_text("new")
    after = make(context, inputs).properties
    assert after["digest"] == before["digest"]
    assert (after["contextHash"] != before["contextHash"]) is again


def test_changed_sources_are_an_update_and_unchanged_ones_no_change(context: Context, folder: Path):
    inputs = image(folder)
    made = make(context, inputs)
    again = call(inputs, id=made.id, old_inputs=inputs, properties=made.properties)
    assert PROVIDER.diff(context, again).changes == {}
    (folder / "src" / "app.py").write_text("print()\n")
    assert PROVIDER.diff(context, again).changes == {("contextHash",): Change.UPDATE}
    after = PROVIDER.update(context, again)
    assert after["digest"] == f"sha256:{content_hash(inputs)}"
    assert after["digest"] != made.properties["digest"]


def test_a_deleted_image_reads_as_missing(account: Any, context: Context, folder: Path):
    repository = account.make(REPOSITORY, name="app")
    inputs = image(folder, push=True, tags=[f"{repository.properties['repositoryUrl']}:v1"])
    made = make(context, inputs)
    found = PROVIDER.read(context, call({}, id=made.id, old_inputs=inputs))
    assert found is not None
    assert found.properties == made.properties
    context.cloud.delete("docker-build", IMAGE, made.id)
    assert PROVIDER.read(context, call({}, id=made.id, old_inputs=inputs)) is None
