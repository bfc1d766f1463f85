"""The images of the fleet: built and pushed by the stack, or specified by digest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build
import pulumi_random as random

from components.component import Component
from core.aws.names import short_hash
from core.config.model import Image
from core.images import content_tag, slug
from core.resolved import ResolvedFleet

_BUILDER = f"docker-build {version('pulumi-docker-build')}"
_PLATFORM = docker_build.Platform.LINUX_ARM64
_KEPT_IMAGES = 20


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image that the stack builds.

    Attributes:
        uri: The image with its digest.
        repository_name: The name of its repository.
        repository_arn: The ARN of its repository.
    """

    uri: pulumi.Output[str]
    repository_name: pulumi.Output[str]
    repository_arn: pulumi.Output[str]


class Images(Component):
    """An ECR repository and a built image for every build context of the fleet.

    Type token `mcp-platform:foundation:Images`. Creates a repository and an arm64 image for each
    build context. The repository has immutable tags, scans on push, is encrypted with the stack's
    key and expires old images. The tag of an image contains a hash of its sources and a random id
    of the build. Contexts are relative to the working directory of the program. Images that are
    specified by digest are not built or copied.

    Attributes:
        uris: Every workload's image with its digest, by the workload's name.
    """

    uris: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        *,
        fleet: ResolvedFleet,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mcp-platform:foundation:Images", name, opts)
        self.built: dict[str, Built] = {}
        """The images that the stack builds, by the name of their build."""
        self.repository_arns: dict[str, pulumi.Output[str]] = {}
        """The ARNs of their repositories, by workload."""
        uris: dict[str, pulumi.Output[str]] = {}
        for (_, workload), image in fleet.config.images():
            if image.context is None:
                uris[workload] = pulumi.Output.from_input(image.uri or "")
                continue
            what = _build_name(image)
            if what not in self.built:
                self.built[what] = build(
                    f"{name}-{what}",
                    image,
                    parent=self,
                    key_arn=key_arn,
                    kept=fleet.stack.production,
                )
            uris[workload] = self.built[what].uri
            self.repository_arns[workload] = self.built[what].repository_arn
        self.uris = uris
        self.register()


def build(
    name: str, image: Image, *, parent: pulumi.Resource, key_arn: pulumi.Input[str], kept: bool
) -> Built:
    """Builds an image from its context and pushes it to a separate repository.

    Args:
        name: The prefix of the logical names.
        image: The image.
        parent: The parent component.
        key_arn: The ARN of the key that encrypts the repository.
        kept: Whether the repository is protected, and is not deleted while it contains images.
    """
    context = image.context or "."
    repository = aws.ecr.Repository(
        f"{name}-repository",
        image_scanning_configuration={"scan_on_push": True},
        image_tag_mutability="IMMUTABLE",
        encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
        force_delete=not kept,
        opts=pulumi.ResourceOptions(parent=parent, protect=kept),
    )
    aws.ecr.LifecyclePolicy(
        f"{name}-lifecycle",
        repository=repository.name,
        policy=json.dumps(_lifecycle()),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    login = aws.ecr.get_authorization_token_output(
        registry_id=repository.registry_id, opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    # Builds are not reproducible byte for byte. A return to earlier content therefore pushes a
    # different image, which needs a new tag: tags are immutable.
    content = content_tag(image, Path())
    build = random.RandomId(
        f"{name}-build",
        byte_length=4,
        # All inputs that cause a new build. ECR rejects a second push to the same tag.
        keepers={"content": content, "platform": _PLATFORM.value, "builder": _BUILDER},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    built = docker_build.Image(
        f"{name}-image",
        context={
            "location": context,
            "named": {
                further: {"location": folder}
                for further, folder in image.additional_contexts.items()
            },
        },
        dockerfile={"location": f"{context}/{image.dockerfile}"},
        platforms=[_PLATFORM],
        push=True,
        tags=[pulumi.Output.concat(repository.repository_url, ":", content, "-", build.hex)],
        registries=[
            {
                "address": repository.repository_url,
                "username": login.user_name,
                "password": pulumi.Output.secret(login.password),
            }
        ],
        # The preview of a pull request does not need Docker or permission to push.
        build_on_preview=False,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    uri = pulumi.Output.concat(repository.repository_url, "@", built.digest)
    return Built(uri=uri, repository_name=repository.name, repository_arn=repository.arn)


def _build_name(image: Image) -> str:
    """The name of a build, unique for each context and Dockerfile.

    Two paths can have the same slug, such as `a/b` and `a-b`, so the name also contains a hash.
    """
    plain, source = slug(image), (image.context or "", image.dockerfile)
    if source == (plain.replace("-", "/"), "Dockerfile"):
        return plain
    return f"{plain}-{short_hash(json.dumps(source))}"


def _lifecycle() -> dict[str, object]:
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Keep the newest {_KEPT_IMAGES} images",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": _KEPT_IMAGES,
                },
                "action": {"type": "expire"},
            }
        ]
    }
