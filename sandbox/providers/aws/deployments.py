"""Keeps deleted parts of an API that a deployment still holds: a deployment is a snapshot.

A part of an API (a route, a policy …) that is deleted stays in the deployments that were made
before. Such parts are kept in the cloud under another provider's name until the last of these
deployments is deleted. `sandbox.serve` reads them.

Source: API Gateway developer guide, "Deploy REST APIs in API Gateway".
"""

import time
from collections.abc import Mapping

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.providers.aws.tables import Entry, tables

KEPT_PARTS = "aws-deployed"
"""The provider that kept parts have in the cloud."""

DELETED = "deletedAt"
"""The property that says when a kept part was deleted."""


def keep(cloud: Cloud, table: Entry, stored: StoredResource) -> None:
    """Keep a part of an API that is being deleted, if a deployment holds it.

    Args:
        cloud: The cloud.
        table: The table's entry for the part's type.
        stored: The part.
    """
    rule = table.deployed
    if not rule:
        return
    now = time.time()
    properties = {**stored.properties, DELETED: now}
    if _holds(cloud, rule, stored.created, properties):
        cloud.put(
            StoredResource(
                provider=KEPT_PARTS,
                type=stored.type,
                id=f"{stored.id} {now}",
                inputs={},
                properties={**properties, "id": stored.id},
                created=stored.created,
            )
        )


def forget(cloud: Cloud, deleted_type: str) -> None:
    """Drop the kept parts that no deployment holds anymore.

    Args:
        cloud: The cloud.
        deleted_type: The type of the deleted resource; only a deployment has an effect.
    """
    for kept in cloud.list(KEPT_PARTS):
        rule = tables().types[kept.type].deployed
        is_its = deleted_type == f"aws:{rule['in']}"
        if is_its and not _holds(cloud, rule, kept.created, kept.properties):
            cloud.delete(KEPT_PARTS, kept.type, kept.id)


def _holds(
    cloud: Cloud, rule: Mapping[str, str], created: float, properties: Mapping[str, object]
) -> bool:
    deleted = float(str(properties[DELETED]))
    return any(
        deployment.properties.get(rule["api"]) == properties.get(rule["of"])
        and created <= deployment.created < deleted
        for deployment in cloud.list("aws", f"aws:{rule['in']}")
    )
