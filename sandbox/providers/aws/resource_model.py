"""One tree per resource type: each property in pulumi-aws, in AWS's schema and in our table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from sandbox.engine import sdk
from sandbox.engine.sdk import Field, Shape
from sandbox.providers.aws import schemas
from sandbox.providers.aws.tables import Entry, Kind, entry, tables
from sandbox.values.json_schema import Schema

PACKAGE = "pulumi_aws"
NO_SCHEMA: Schema = {}


@dataclass(frozen=True)
class PropertyModel:
    """One property.

    Attributes:
        path: its path without indices, such as ``networkConfiguration.subnets``.
        shape: its type in pulumi-aws.
        schema: its schema from AWS, references followed; empty if there is none.
        root: the schema that references are looked up in.
        owner: name of the resource type, at the top only (a role's name is RoleName).
        known: whether the schema or the table describes more than its type.
        table: our table's entry for the resource type.
    """

    path: str
    shape: Shape
    schema: Schema
    root: Schema
    owner: str
    known: bool
    table: Entry

    @cached_property
    def fields(self) -> "Mapping[str, tuple[PropertyModel, bool]]":
        """Properties of an object, each with whether it is required."""
        return {
            name: (self._child(name, item), item.required)
            for name, item in self.shape.fields.items()
        }

    def _child(self, name: str, item: Field) -> "PropertyModel":
        return child(self, name, item.shape)

    @cached_property
    def item(self) -> "PropertyModel":
        """The model of the items of a list or a map."""
        schema: Schema = self.schema
        if self.shape.kind == "list" and "items" in schema:
            schema = schemas.resolve(self.root, schema["items"])
        elif self.shape.kind == "map":
            schema = NO_SCHEMA
        return PropertyModel(
            self.path,
            self.shape.item or Shape("any"),
            schema,
            self.root,
            "",
            self.known,
            self.table,
        )

    @cached_property
    def kind(self) -> Kind | None:
        """The kind of identifier that the property holds, if it holds one."""
        if self.path in self.table.kinds:
            name = self.table.kinds[self.path]
            return tables().kinds[name] if name else None
        name = tables().formats.get(self.schema.get("format", ""))
        if name is None:
            name = tables().named.get(self.path.rsplit(".", 1)[-1])
        return tables().kinds[name] if name else None

    @cached_property
    def document(self) -> str:
        """The kind of JSON document that the property holds: a name of embedded_json, or empty."""
        return self.table.documents.get(self.path, "")

    @cached_property
    def is_computed(self) -> bool:
        """Whether our table has a default for the property."""
        return self.path in self.table.outputs

    @cached_property
    def unordered(self) -> bool:
        """Whether the order of a list is insignificant."""
        return self.schema.get("insertionOrder") is False or self.path in self.table.unordered


def child(parent: PropertyModel, name: str, shape: Shape) -> PropertyModel:
    """The model of one property of an object (or of the resource itself)."""
    path = f"{parent.path}.{name}" if parent.path else name
    table = parent.table
    schema, known = _schema(parent, name, path)
    # Terraform's blocks of at most one object are lists in some of AWS's schemas.
    if schema.get("type") == "array" and shape.kind in ("object", "string") and "items" in schema:
        schema = schemas.resolve(parent.root, schema["items"])
    if path in table.constraints:
        schema, known = {**schema, **table.constraints[path]}, True
    return PropertyModel(path, shape, schema, parent.root, "", known, table)


def _schema(parent: PropertyModel, name: str, path: str) -> tuple[Schema, bool]:
    table, root = parent.table, parent.root
    if path in table.properties:
        pointer = table.properties[path]
        found: Schema = root
        for part in pointer.split("/") if pointer else ():
            found = schemas.resolve(root, found.get("properties", {}).get(part, {}))
            found = schemas.resolve(root, found["items"]) if _array_of_objects(found) else found
        return (found if pointer else {}), True
    properties: Schema = parent.schema.get("properties", {})
    twin = schemas.twin(name, properties, parent.owner)
    if twin:
        return schemas.resolve(root, properties[twin]), True
    known = name in tables().plain or path in table.kinds or path in table.documents
    # A property below one that is missing in AWS's schema needs no second report.
    return {}, known or bool(parent.path and not parent.schema)


def _array_of_objects(schema: Schema) -> bool:
    return schema.get("type") == "array" and "$ref" in schema.get("items", {})


@dataclass(frozen=True)
class ResourceModel:
    """The model of one resource type.

    Attributes:
        type: type token.
        resource: its inputs and outputs in pulumi-aws.
        schema: AWS's schema; empty when there is none.
        table: our table's entry.
        node: root of the tree of properties.
    """

    type: str
    resource: sdk.Resource
    schema: Schema
    table: Entry
    node: PropertyModel

    @cached_property
    def properties(self) -> Mapping[str, tuple[PropertyModel, bool]]:
        """Top-level inputs, each with whether it is required."""
        return {
            name: (child(self.node, name, item.shape), item.required)
            for name, item in self.resource.inputs.items()
        }

    @cached_property
    def twins(self) -> Mapping[tuple[str, ...], str]:
        """Pulumi's name of each top-level property of the schema."""
        found: dict[tuple[str, ...], str] = {}
        for name in self.resource.inputs:
            pointer = self.table.properties.get(name)
            twin = pointer or schemas.twin(name, self.schema.get("properties", {}), self.node.owner)
            if (twin and name not in self.table.properties) or pointer:
                found[tuple(twin.split("/"))] = name
        return found

    def replaces(self, path: tuple[str | int, ...]) -> bool:
        """Whether AWS can only change the property at a path by replacing the resource."""
        names = [part for part in path if isinstance(part, str)]
        prefixes = {".".join(names[: count + 1]) for count in range(len(names))}
        if prefixes & set(self.table.update):
            return False
        return bool(prefixes & (set(self.table.replace) | self._create_only))

    def types_at(self, path: str) -> frozenset[str]:
        """Types that the identifier at a dotted path may belong to; empty if any may."""
        first, *others = [part for part in path.split(".") if not part.isdigit()]
        node = self.properties[first][0] if first in self.properties else None
        for name in others:
            while node is not None and node.shape.kind == "list":
                node = node.item
            found = node.fields.get(name) if node is not None else None
            node = found[0] if found else None
        kind = node.kind if node is not None else None
        return frozenset(f"aws:{name}" for name in kind.types) if kind else frozenset()

    @cached_property
    def _create_only(self) -> frozenset[str]:
        found: set[str] = set()
        for pointer in schemas.pointers(self.schema, "createOnlyProperties"):
            if pointer in self.twins:
                found.add(self.twins[pointer])
            elif pointer[:1] in self.twins:
                path = self._nested(self.twins[pointer[:1]], pointer[1:])
                if path:
                    found.add(path)
        return frozenset(found)

    def _nested(self, name: str, rest: tuple[str, ...]) -> str:
        """Pulumi's path of a nested schema property, or an empty string."""
        node = self.properties[name][0]
        for part in rest:
            node = node.item if node.shape.kind == "list" else node
            names = [key for key in node.fields if schemas.twin(key, {part: {}})]
            if not names:
                return ""
            node = node.fields[names[0]][0]
        return node.path


@cache
def model_of(type_: str) -> ResourceModel:
    """The model of a resource type.

    Raises:
        sdk.UnknownTypeError: pulumi-aws has no such type.
    """
    resource = sdk.resource(PACKAGE, type_)
    _, module, name = type_.split(":")
    service = module.partition("/")[0]
    known = tables()
    schema_name = known.schemas.get(type_.removeprefix("aws:")) or schemas.named(
        known.services.get(service, service), name
    )
    schema: Schema = schemas.resource(schema_name) if schema_name else NO_SCHEMA
    table = entry(type_)
    root = PropertyModel(
        "", Shape("any"), schema, schema, schema_name.rsplit(":", 1)[-1], True, table
    )
    return ResourceModel(type_, resource, schema, table, root)
