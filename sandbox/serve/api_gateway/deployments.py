"""What a deployment of an API holds: it is a copy of what was there when it was made.

Source: API Gateway developer guide, "Deploy REST APIs in API Gateway".
"""

import math
from dataclasses import replace

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.providers.aws.deployments import DELETED, KEPT_PARTS


def held_at(part: StoredResource, deployed: float) -> bool:
    """Whether a deployment that was made at some time holds a part of its API.

    Args:
        part: The part; it may have been deleted since.
        deployed: When the deployment was made.

    Returns:
        Whether the part was there then.
    """
    return part.created <= deployed < float(part.properties.get(DELETED, math.inf))


def with_copies(cloud: Cloud, type_: str) -> list[StoredResource]:
    """The objects of a type, and those of it that only deployments hold any more.

    Args:
        cloud: The cloud.
        type_: The type.

    Returns:
        The objects, with the ids that they have or had.
    """
    kept = [replace(one, id=str(one.properties["id"])) for one in cloud.list(KEPT_PARTS, type_)]
    return [*cloud.list("aws", type_), *kept]
