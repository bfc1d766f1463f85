"""Create, read, update and delete, and the checks that need the state of the cloud."""

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from sandbox.cloud.fault_injection import FAILED
from sandbox.cloud.store import StoredResource, TakenError
from sandbox.engine.provider import Call, Change, Context, Difference, Made, RefusedError, compare
from sandbox.engine.sdk import Shape
from sandbox.providers.aws import deployments, preconditions
from sandbox.providers.aws.constraints import holds
from sandbox.providers.aws.embedded_json import normal
from sandbox.providers.aws.resource_model import PropertyModel, ResourceModel, model_of
from sandbox.providers.aws.tables import Kind, tables
from sandbox.providers.aws.templates import ACCOUNT, fill, region_of, surroundings
from sandbox.providers.aws.validation import DEFAULTS
from sandbox.values.json_schema import pattern, shown
from sandbox.values.tree import at
from sandbox.values.wire import UNKNOWN, Json, Path, Unknown

PROVIDER = "aws"
_EMPTY: Mapping[str, Json] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "list": [],
    "map": {},
    "object": {},
}


def create(context: Context, call: Call) -> Made:
    """Create a resource: references must exist, names must be free, networks must fit."""
    known = model_of(call.type)
    if call.preview:
        return Made(
            id="", properties=_foreseen(known, call.inputs, region_of(context, call.inputs))
        )
    with context.cloud.transaction():
        _must_exist(context, known, call)
        _must_fit(context, known, call)
        outputs = {**known.table.outputs, **_publication(known, call.inputs)}
        scope = {**_around(context, call), **_literals(outputs), **_stored(call.inputs)}
        preconditions.must_be_met(known, call, scope, context.cloud)
        given = {**_stored(call.inputs), **_early(context, known, outputs, scope)}
        scope.update(given)
        id_ = str(fill(known.table.id or "{hex:26}", scope, context.cloud))
        properties = _computed(context, known, outputs, {**scope, "id": id_}, given)
        _put(context, known, call, id_, properties, new=True)
    return Made(id=id_, properties=properties)


def _around(context: Context, call: Call) -> dict[str, Any]:
    return {**surroundings(context, call.inputs or call.properties), "->": call.type}


def _key(
    context: Context, known: ResourceModel, call: Call, id_: str, properties: Mapping[str, Any]
) -> str:
    """The unique key of a resource within its type: its id, unless the table has a key."""
    scope = {**_around(context, call), **properties, "id": id_}
    return str(fill(known.table.key or "{id}", scope, context.cloud))


def _early(
    context: Context, known: ResourceModel, outputs: Mapping[str, Any], scope: Mapping[str, Any]
) -> dict[str, Json]:
    """Outputs that the id contains."""
    return {
        name: fill(template, scope, context.cloud)
        for name, template in outputs.items()
        if scope.get(name) is None and f"{{{name}}}" in known.table.id
    }


def _publication(known: ResourceModel, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Outputs that a published version changes, if the inputs publish one."""
    rule = known.table.publishes
    when = cast("Mapping[str, Json]", rule.get("when", {}))
    asked = all(holds(inputs.get(name), wanted) for name, wanted in when.items())
    return rule["outputs"] if rule and asked else {}


def read(context: Context, call: Call) -> Made | None:
    """Read a resource; its inputs are the program's inputs with their current values."""
    known = model_of(call.type)
    key = _key(context, known, call, call.id, call.properties) if call.properties else call.id
    stored = context.cloud.get(PROVIDER, call.type, key)
    if stored is None and not call.properties:
        stored = _by_handle(context, call)
    if stored is None:
        return None
    inputs = dict(call.old_inputs) or dict(stored.inputs)
    for name in known.resource.inputs:
        now, before = stored.properties.get(name), call.properties.get(name)
        # A property that the program does not set is drift if it changed and AWS has no default.
        strange = now != before and not _is_computed(known, name) and bool(call.properties)
        if name in inputs or strange:
            node = known.properties[name][0]
            wanted = inputs.get(name)
            inputs[name] = wanted if _is_write_only(name) else _seen(node, wanted, now, before)
    present = {name: value for name, value in inputs.items() if value is not None}
    around = {**_around(context, call), **stored.properties, "id": stored.id}
    id_ = str(fill(known.table.id, around, context.cloud)) if known.table.key else stored.id
    return Made(id=id_, properties=stored.properties, inputs=present)


def _seen(node: PropertyModel, wanted: Json, now: Json, before: Json) -> Json:
    """A value without the properties that AWS computes and the program did not set."""
    if node.shape.kind != "object" or not (isinstance(wanted, dict) and isinstance(now, dict)):
        return now
    asked, present = cast("dict[str, Json]", wanted), cast("dict[str, Json]", now)
    earlier = cast("dict[str, Json]", before) if isinstance(before, dict) else present
    return {
        name: _seen(child, asked.get(name), present[name], earlier.get(name))
        for name, (child, _) in node.fields.items()
        if name in present
        and (name in asked or (present[name] != earlier.get(name) and not child.is_computed))
    }


def _by_handle(context: Context, call: Call) -> StoredResource | None:
    """Imports may name a resource by its name or its ARN."""
    found = (
        t for t in context.cloud.find(call.id) if (t.provider, t.type) == (PROVIDER, call.type)
    )
    return next(found, None)


def update(context: Context, call: Call) -> Mapping[str, Any]:
    """Update a resource in place."""
    known = model_of(call.type)
    gone = set(call.old_inputs) - set(call.inputs)
    kept = {
        name: value
        for name, value in call.properties.items()
        if name != FAILED and (name not in gone or _is_computed(known, name))
    }
    changed = _changed(known, call)
    if not changed and not call.preview:
        # As Terraform's providers do: nothing is sent, and the current state is read.
        found = read(context, call)
        return found.properties if found else call.properties
    given = _with_what_aws_keeps(known, _stored(call.inputs), call.properties)
    templates = {name: known.table.outputs[name] for name in known.table.volatile}
    if changed - set(known.table.publishes.get("unless_only", ())):
        templates |= _publication(known, call.inputs)
    if call.preview:
        changing = dict.fromkeys(templates, UNKNOWN)
        return {**kept, **changing, **given, **_tags_all(known, given)}
    with context.cloud.transaction():
        key = _key(context, known, call, call.id, call.properties)
        if context.cloud.get(PROVIDER, call.type, key) is None:
            raise RefusedError(f"{call.type} {call.id} does not exist: it has been deleted")
        _must_exist(context, known, call)
        scope = {**_around(context, call), **kept, **given, "id": call.id}
        scope["before"] = call.properties
        preconditions.must_be_met(known, call, scope, context.cloud)
        preconditions.must_be_allowed(known, call, scope, context.cloud)
        computed: dict[str, Json] = {}
        for name, template in templates.items():
            computed[name] = scope[name] = fill(template, scope, context.cloud)
        properties = {**kept, **given, **computed, **_tags_all(known, given)}
        held = _held_by_versions(context, known, call, key)
        if _key(context, known, call, call.id, properties) != key:
            context.cloud.delete(PROVIDER, call.type, key)
        _put(context, known, call, call.id, properties, new=False, held=held)
    return properties


def _held_by_versions(
    context: Context, known: ResourceModel, call: Call, key: str
) -> list[tuple[str, str]]:
    """References of older published versions, which stay in use."""
    published = _publication(known, call.old_inputs)
    paths = known.table.publishes.get("versions_hold", ()) if published else ()
    links = context.cloud.links(PROVIDER, call.type, key)
    return [(path, target) for path, target in links if path in paths]


def _with_what_aws_keeps(
    known: ResourceModel, given: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """New inputs, with the values that AWS computed inside of them (`vpcConfig.vpcId`)."""
    result = dict(given)
    for path in known.table.outputs:
        outer, dot, inner = path.partition(".")
        old, new = before.get(outer), result.get(outer)
        if dot and isinstance(old, Mapping) and isinstance(new, Mapping) and inner in old:
            result[outer] = {inner: old[inner], **new}
    return result


def _changed(known: ResourceModel, call: Call) -> set[str]:
    """Names of the inputs whose meaning changed since the last update."""
    olds, news = _comparable(known, call.old_inputs), _comparable(known, call.inputs)
    return {name for name in {*olds, *news} if olds.get(name) != news.get(name)}


def delete(context: Context, call: Call) -> None:
    """Delete a resource, unless it is protected or still in use."""
    known = model_of(call.type)
    table = known.table
    with context.cloud.transaction():
        key = _key(context, known, call, call.id, call.properties)
        stored = context.cloud.get(PROVIDER, call.type, key)
        # A replacement may have the same id: the old resource is then already deleted.
        if stored is None or stored.properties.get("arn") != call.properties.get("arn"):
            return
        if table.protected and stored.properties.get(table.protected):
            raise RefusedError(
                f"{call.type} {call.id} is protected against deletion by {table.protected};"
                " set it to false, update, and delete then"
            )
        holders = [
            (path, user)
            for path, user in context.cloud.users(PROVIDER, call.type, key)
            if _holds(table.held_by, path, user)
        ]
        if holders and not (table.unless and stored.properties.get(table.unless)):
            path, user = holders[0]
            raise RefusedError(
                f"{table.held_error}: {call.type} {call.id} cannot be deleted: {user.type}"
                f" {user.id} still uses it ({path})"
            )
        for _, user in holders:
            if user.type.removeprefix("aws:") not in table.spares:
                context.cloud.delete(user.provider, user.type, user.id)
        deployments.keep(context.cloud, table, stored)
        context.cloud.delete(PROVIDER, call.type, key)
        deployments.forget(context.cloud, call.type)


def _holds(held_by: tuple[str, ...], path: str, user: StoredResource) -> bool:
    """Entries are types, without the leading ``aws:``, some with ``@property``."""
    short = user.type.removeprefix("aws:")
    return any(
        short == type_ and property_ in ("", path)
        for type_, _, property_ in (entry.partition("@") for entry in held_by)
    )


def diff(_context: Context, call: Call) -> Difference:
    """Compare inputs: documents by meaning, sets without order, computed values not at all."""
    known = model_of(call.type)
    olds = _comparable(known, call.old_inputs)
    news = _comparable(known, call.inputs)
    changes = {
        path: change
        for path, change in compare(olds, news, known.replaces).items()
        if not _takes_the_old(known, path, change)
    }
    name = str(known.table.name.get("property", "name"))
    # An explicit name must be free before the replacement can use it.
    own_name = call.inputs.get(name) is not None and name not in call.inputs.get(DEFAULTS, ())
    same_name = own_name and call.inputs.get(name) == call.old_inputs.get(name)
    first = known.table.delete_first or bool(same_name and known.table.claims)
    return Difference(changes=changes, delete_first=first)


def _takes_the_old(known: ResourceModel, path: Path, change: Change) -> bool:
    """Removing an optional property whose value AWS computes changes nothing."""
    gone = change in (Change.DELETE, Change.DELETE_REPLACE)
    return gone and len(path) == 1 and known.replaces(path) and _is_computed(known, str(path[0]))


def _is_computed(known: ResourceModel, name: str) -> bool:
    output = known.resource.outputs.get(name)
    given = known.resource.inputs.get(name)
    return output is not None and output.required and not (given is not None and given.required)


def _comparable(known: ResourceModel, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _in_order(known.properties[name][0], value)
        for name, value in inputs.items()
        if name in known.properties
    }


def _in_order(node: PropertyModel, value: Json) -> Json:
    if node.document or node.schema.get("format") == "json":
        unknown = isinstance(value, Unknown)
        return value if unknown else json.dumps(normal(value), sort_keys=True)
    if isinstance(value, list):
        items = [_in_order(node.item, item) for item in cast("list[Json]", value)]
        return sorted(items, key=_canonical) if node.unordered else items
    if isinstance(value, Mapping) and node.shape.kind == "object":
        return {
            name: _in_order(node.fields[name][0], item)
            for name, item in cast("Mapping[str, Json]", value).items()
            if name in node.fields
        }
    return cast("Json", value)


def _canonical(value: Json) -> str:
    # The properties of a message have no order, so two reprs of one object may differ.
    return json.dumps(value, sort_keys=True, default=repr)


def _is_write_only(name: str) -> bool:
    return name.endswith("Wo")


def _stored(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in inputs.items()
        if name != DEFAULTS and not _is_write_only(name) and value is not None
    }


def _tags_all(known: ResourceModel, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"tagsAll": given.get("tags", {})} if "tagsAll" in known.resource.outputs else {}


def _foreseen(known: ResourceModel, inputs: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The known outputs of a preview: inputs, tags and region; computed values are unknown."""
    given = _stored(inputs)
    names = [name for name, output in known.resource.outputs.items() if output.required]
    unknown = dict.fromkeys(names, UNKNOWN)
    place = {"region": region} if "region" in known.resource.outputs else {}
    properties = {**unknown, **place, **given, **_tags_all(known, given)}
    for name in known.table.outputs:
        _fill_in(properties, name, UNKNOWN)
    return properties


def _fill_in(properties: dict[str, Any], path: str, value: Json) -> None:
    """Set a property, by its dotted path, unless the program has set it."""
    name, _, rest = path.partition(".")
    if not rest:
        if properties.get(name) is None:
            properties[name] = value
    elif isinstance(properties.get(name), Mapping):
        inner = dict(properties[name])
        _fill_in(inner, rest, value)
        properties[name] = inner


def _literals(outputs: Mapping[str, Any]) -> dict[str, Json]:
    """The defaults of the table: outputs that are the same for every resource of the type."""
    return {
        name: template
        for name, template in outputs.items()
        if "{" not in str(template) and "." not in name
    }


def _computed(
    context: Context,
    known: ResourceModel,
    outputs: Mapping[str, Any],
    scope: dict[str, Any],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    properties = dict(given)
    if "region" in known.resource.outputs:
        properties.setdefault("region", scope["region"])
    for name, template in outputs.items():
        if at(properties, name) is None:
            _fill_in(properties, name, fill(template, scope, context.cloud))
            scope.update(properties)
    for name, output in known.resource.outputs.items():
        guess = _guess(name, output.shape, scope)
        if output.required and guess is not None and name != "tagsAll":
            properties.setdefault(name, guess)
    return {**properties, **_tags_all(known, given)}


def _guess(name: str, shape: Shape, scope: Mapping[str, Any]) -> Json:
    """A value of the right type for an output without a template in the table."""
    if name == "arn":
        place = f"{scope['partition']}:sandbox:{scope['region']}:{scope['account']}"
        return f"arn:{place}:{scope['id']}"
    return _EMPTY.get(shape.kind)


def _put(
    context: Context,
    known: ResourceModel,
    call: Call,
    id_: str,
    properties: Mapping[str, Any],
    *,
    new: bool,
    held: Iterable[tuple[str, str]] = (),
) -> None:
    table = known.table
    scope = {**_around(context, call), **properties, "id": id_}
    claims = [str(fill(claim, scope, context.cloud)) for claim in table.claims]
    links = [(path, value) for path, value, _ in _links(known, call.inputs)]
    links += preconditions.links(known, scope, context.cloud)
    links += [link for link in held if link not in links]
    try:
        context.cloud.put(
            StoredResource(
                provider=PROVIDER,
                type=call.type,
                id=_key(context, known, call, id_, properties),
                inputs=call.inputs,
                properties=properties,
                claims=[f"{call.type} {claim}" for claim in claims],
                handles=_handles(context, known, scope),
                links=links,
            ),
            new=new,
        )
    except TakenError as taken:
        what = taken.claim.partition(" ")[2]
        raise RefusedError(
            f"{table.taken or 'ResourceAlreadyExists'}: {call.type} {what!r} exists already"
        ) from taken


def _handles(context: Context, known: ResourceModel, scope: Mapping[str, Any]) -> list[str]:
    handles: list[str] = []
    # A type that only the SDK describes is found by its ARN.
    for template in known.table.handles if known.table.id else ("{arn}",):
        found = fill(template, scope, context.cloud)
        for handle in cast("list[Json]", found) if isinstance(found, list) else [found]:
            handles += [handle] if isinstance(handle, str) else []
    return handles


def _links(known: ResourceModel, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, Kind]]:
    """(path, value, kind) of all identifiers in the inputs that refer to a resource."""
    for name, value in inputs.items():
        if name in known.properties:
            yield from _links_below(known.properties[name][0], value)


def _links_below(node: PropertyModel, value: Json) -> Iterator[tuple[str, str, Kind]]:
    if isinstance(value, str):
        if node.kind is not None and node.kind.types:
            yield node.path, value, node.kind
    elif isinstance(value, list):
        for item in cast("list[Json]", value):
            yield from _links_below(node.item, item)
    elif isinstance(value, Mapping):
        for name, item in cast("Mapping[str, Json]", value).items():
            if node.shape.kind == "map":
                yield from _links_below(node.item, item)
            elif name in node.fields:
                yield from _links_below(node.fields[name][0], item)


def _must_exist(context: Context, known: ResourceModel, call: Call) -> None:
    for path, value, kind in _links(known, call.inputs):
        if _is_elsewhere(value):
            continue
        wanted = {f"aws:{name}" for name in kind.types}
        found = [stored for stored in context.cloud.find(value) if stored.type in wanted]
        if not found:
            raise RefusedError(
                f"{call.type} {call.name}: {path} {shown(value)} does not exist in the cloud:"
                f" {kind.says} is needed"
            )
        if path in known.table.attached:
            _must_be_attached(context, call, path, found[0], known.table.attached[path])


def _must_be_attached(
    context: Context, call: Call, path: str, stored: StoredResource, rule: Mapping[str, Any]
) -> None:
    when = cast("Mapping[str, Json]", rule.get("when", {}))
    if not all(holds(stored.properties.get(name), wanted) for name, wanted in when.items()):
        return
    users = context.cloud.users(stored.provider, stored.type, stored.id)
    if not any(user.type.removeprefix("aws:") in rule["by"] for _, user in users):
        raise RefusedError(
            f"{rule['error']}: {call.type} {call.name}: {path} {shown(stored.id)} is not"
            f" attached yet: one of {', '.join(rule['by'])} must refer to it before (depends_on)"
        )


def _is_elsewhere(value: str) -> bool:
    """Whether an identifier belongs to AWS or to another account, which the sandbox cannot see."""
    parts = value.split(":")
    if len(parts) > 5 and parts[0] == "arn":  # noqa: PLR2004 - arn:partition:service:region:account:
        return parts[4] not in ("", ACCOUNT)
    return any((compiled := pattern(text)) and compiled.search(value) for text in tables().external)


def _must_fit(context: Context, known: ResourceModel, call: Call) -> None:
    """A network must be inside its parent's and must not overlap its siblings'."""
    rule = known.table.inside
    block, parent = (call.inputs.get(rule.get(key, "")) for key in ("network", "parent"))
    if not block or not parent:
        return
    network = ipaddress.ip_network(str(block))
    for owner in context.cloud.find(str(parent)):
        outer = at(owner.properties, rule["of"])
        if outer and not _within(network, str(outer)):
            raise RefusedError(
                f"InvalidSubnet.Range: {call.type} {call.name}: {block} is not inside of"
                f" {outer} of {parent}"
            )
    for path, brother in context.cloud.users(PROVIDER, f"aws:{rule['type']}", str(parent)):
        other = brother.properties.get(rule["network"])
        same = brother.type == call.type and path == rule["parent"]
        if same and other and network.overlaps(ipaddress.ip_network(str(other))):
            raise RefusedError(
                f"InvalidSubnet.Conflict: {call.type} {call.name}: {block} overlaps {other}"
                f" of {brother.id}"
            )


def _within(inner: ipaddress.IPv4Network | ipaddress.IPv6Network, outer: str) -> bool:
    around = ipaddress.ip_network(outer)
    return inner.version == around.version and inner.subnet_of(around)  # pyright: ignore[reportArgumentType] - versions are equal
