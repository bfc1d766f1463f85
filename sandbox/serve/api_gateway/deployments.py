"""Deployments of an API: each is a snapshot of the API at the time of the deployment.

Source: API Gateway developer guide, "Deploy REST APIs in API Gateway".
"""

import math
from dataclasses import replace

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.providers.aws.deployments import DELETED, KEPT_PARTS


def held_at(part: StoredResource, deployed: float) -> bool:
    """Whether a deployment contains a part of its API.

    Args:
        part: The part; it may have been deleted since.
        deployed: The time of the deployment.

    Returns:
        Whether the part existed at that time.
    """
    return part.created <= deployed < float(part.properties.get(DELETED, math.inf))


def with_copies(cloud: Cloud, type_: str) -> list[StoredResource]:
    """The objects of a type, including deleted ones that a deployment still contains.

    Args:
        cloud: The cloud.
        type_: The type.

    Returns:
        The objects, with their ids.
    """
    kept = [replace(one, id=str(one.properties["id"])) for one in cloud.list(KEPT_PARTS, type_)]
    return [*cloud.list("aws", type_), *kept]
