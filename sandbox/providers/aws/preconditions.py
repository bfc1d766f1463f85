"""The preconditions of a resource beside its identifiers, by the table's `preconditions`.

Each has one of these forms, and the error that AWS answers with:

- ``exists``: handles of a resource that must exist; ``with``: a property that it must have;
  ``as``: the property that then refers to it, for `held_by`;
- ``same``: values that must be equal, if they are set;
- ``distinct``: values no two of which may be equal;
- ``stays``: values that must be the same set as they were ``before`` an update;
- ``agrees``: a type; ``of``: what its resources refer to; ``value``: what all of them share;
- ``limits``: JSON schema keywords for the value of a placeholder;
- ``at_most``: two placeholders; the first must not exceed the second;
- ``every``: a type; ``of``: what its resources refer to; each of them must ``has``, a handle that
  something answers to; ``none``: the error when there are none;
- ``trusts``: a role, whose trust policy must let ``service`` do the ``actions``; ``session``: tags
  that the service sets, with their values; ``each``: the list whose items the role is of, each seen
  as ``item``. What is missing is added to the error.

In an update, ``before`` has the properties of the resource as they were.

With ``when``, a precondition applies only if the placeholders have these values.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.engine.provider import Call, RefusedError
from sandbox.iam.evaluate import trusted
from sandbox.providers.aws.constraints import breach, holds
from sandbox.providers.aws.resource_model import ResourceModel
from sandbox.providers.aws.templates import fill
from sandbox.values.tree import at
from sandbox.values.wire import Json

_ROLE = "aws:iam/role:Role"

_Scope = Mapping[str, Any]
_Precondition = Mapping[str, Any]


def must_be_met(known: ResourceModel, call: Call, scope: _Scope, cloud: Cloud) -> None:
    """Refuse a resource that the cloud's state does not allow.

    Args:
        known: the model of its type.
        call: the request.
        scope: its properties and context.
        cloud: the cloud.

    Raises:
        RefusedError: a precondition is not met.
    """
    for precondition in known.table.preconditions:
        if not _counts(precondition, scope, cloud):
            continue
        judge = next(judge for form, judge in _FORMS.items() if form in precondition)
        error = judge(precondition, scope, cloud)
        if error:
            code, _, text = str(fill(error, scope, cloud)).partition(": ")
            raise RefusedError(f"{code}: {call.type} {call.name}: {text}")


def must_be_allowed(known: ResourceModel, call: Call, scope: _Scope, cloud: Cloud) -> None:
    """Refuse an update that AWS does not take in place, by the table's `refuses`.

    Args:
        known: the model of the resource's type.
        call: the request.
        scope: its new properties and context.
        cloud: the cloud.

    Raises:
        RefusedError: AWS does not take it.
    """
    for refused in known.table.refuses:
        was = cast("Mapping[str, Json]", refused.get("was", {}))
        changes = any(at(call.old_inputs, path) != at(call.inputs, path) for path in refused["of"])
        before = all(holds(at(call.properties, name), wanted) for name, wanted in was.items())
        if changes and before and _counts(refused, scope, cloud):
            code, _, text = str(refused["error"]).partition(": ")
            raise RefusedError(f"{code}: {call.type} {call.name}: {text}")


def links(known: ResourceModel, scope: _Scope, cloud: Cloud) -> Iterator[tuple[str, str]]:
    """(property path, handle) of each resource that the preconditions refer to."""
    for precondition in known.table.preconditions:
        if "as" in precondition and _counts(precondition, scope, cloud):
            for handle in _list(precondition["exists"], scope, cloud):
                yield precondition["as"], str(handle)


def _counts(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> bool:
    when = cast("Mapping[str, Json]", precondition.get("when", {}))
    return all(
        holds(
            _at(name, scope, cloud),
            wanted if isinstance(wanted, Mapping) else fill(wanted, scope, cloud),
        )
        for name, wanted in when.items()
    )


def _at(placeholder: str, scope: _Scope, cloud: Cloud) -> Json:
    return fill(f"{{{placeholder}}}", scope, cloud)


def _list(template: Json, scope: _Scope, cloud: Cloud) -> list[Json]:
    value = fill(template, scope, cloud)
    return cast("list[Json]", value) if isinstance(value, list) else [value]


def _exists(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    needed = precondition.get("with", "")
    for handle in _list(precondition["exists"], scope, cloud):
        found = cloud.find(str(handle))
        if not any(not needed or stored.properties.get(needed) for stored in found):
            return precondition["error"]
    return ""


def _same(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    values = [value for template in precondition["same"] for value in _list(template, scope, cloud)]
    known = [value for value in values if value is not None]
    return "" if all(value == known[0] for value in known) else precondition["error"]


def _distinct(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    values = [value for value in _list(precondition["distinct"], scope, cloud) if value is not None]
    return "" if len(set(map(str, values))) == len(values) else precondition["error"]


def _stays(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    if "before" not in scope:
        return ""
    now, before = (
        {str(value) for value in _list(precondition["stays"], around, cloud) if value is not None}
        for around in (scope, {**scope, **scope["before"]})
    )
    return "" if now == before or not before else precondition["error"]


def _agrees(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    users = _users(f"aws:{precondition['agrees']}", str(scope.get(precondition["of"])), cloud)
    values = [
        fill(precondition["value"], {**user.properties, "->": user.type}, cloud)
        for user in users
        if user.id != scope.get("id")
    ]
    mine = fill(precondition["value"], scope, cloud)
    return "" if all(value == mine for value in values) else precondition["error"]


def _limits(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    limits = cast("Mapping[str, Mapping[str, Json]]", precondition["limits"])
    within = all(not breach(_at(name, scope, cloud), schema) for name, schema in limits.items())
    return "" if within else precondition["error"]


def _at_most(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    small, large = (_at(name, scope, cloud) for name in precondition["at_most"])
    numbers = isinstance(small, int | float) and isinstance(large, int | float)
    return precondition["error"] if numbers and small > large else ""


def _every(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    users = list(_users(f"aws:{precondition['every']}", str(scope.get(precondition["of"])), cloud))
    if not users:
        return precondition["none"]
    handles = [
        fill(precondition["has"], user.properties, cloud) for user in users if "has" in precondition
    ]
    return "" if all(cloud.find(str(handle)) for handle in handles) else precondition["error"]


def _trusts(precondition: _Precondition, scope: _Scope, cloud: Cloud) -> str:
    listed = at(scope, precondition["each"]) if "each" in precondition else [None]
    for item in cast("list[Json]", listed or []):
        around = {**scope, "item": item}
        arn = str(fill(precondition["trusts"], around, cloud))
        tags = cast("dict[str, str]", fill(precondition.get("session", {}), around, cloud))
        roles = [stored for stored in cloud.find(arn) if stored.type == _ROLE]
        # The trust policy of a role in another account is not visible here.
        if roles and not _is_trusted(roles[0], precondition, tags):
            wanted = f"{precondition['service']} to {' and '.join(precondition['actions'])}"
            with_tags = "".join(f", {name}: {value}" for name, value in tags.items())
            error = fill(precondition["error"], around, cloud)
            return f"{error}: its trust policy must allow {wanted}{with_tags}"
    return ""


def _is_trusted(role: StoredResource, precondition: _Precondition, tags: Mapping[str, str]) -> bool:
    # Only the tags of the request are known here.
    context = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    return all(
        trusted(
            role.properties["assumeRolePolicy"],
            precondition["service"],
            action,
            context,
            assume_absent=True,
        )
        for action in precondition["actions"]
    )


def _users(type_: str, handle: str, cloud: Cloud) -> Iterator[StoredResource]:
    for owner in cloud.find(handle):
        for _, user in cloud.users(owner.provider, owner.type, owner.id):
            if user.type == type_:
                yield user


_FORMS: Mapping[str, Callable[[_Precondition, _Scope, Cloud], str]] = {
    "exists": _exists,
    "same": _same,
    "distinct": _distinct,
    "stays": _stays,
    "agrees": _agrees,
    "limits": _limits,
    "at_most": _at_most,
    "every": _every,
    "trusts": _trusts,
}
