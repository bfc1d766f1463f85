"""The component awsx:ec2:Vpc, with the same children, names and parents as the real one.

Facts from pulumi-awsx 3.11 (awsx/ec2/vpc.ts). The VPC is the component's child; subnets, the
internet gateway and endpoints are the VPC's; a route table is its subnet's, an association and a
route their route table's, a NAT gateway and its address their public subnet's. Each child also
depends on its parent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pulumi

from sandbox.engine.components import Child, Component, Inputs, Value, merged_tags, present, refuse
from sandbox.providers.awsx import subnet_layout

TOKEN = "awsx:ec2:Vpc"
DEFAULT_BLOCK = "10.0.0.0/16"
DEFAULT_ZONES = 3
ANYWHERE = "0.0.0.0/0"

_PASSED_TO_VPC = (
    "enableDnsHostnames",
    "enableDnsSupport",
    "enableNetworkAddressUsageMetrics",
    "instanceTenancy",
    "region",
)
_NOT_SIMULATED = (
    "assignGeneratedIpv6CidrBlock",
    "ipv4IpamPoolId",
    "ipv4NetmaskLength",
    "ipv6CidrBlock",
    "ipv6CidrBlockNetworkBorderGroup",
    "ipv6IpamPoolId",
    "ipv6NetmaskLength",
)
_PLAIN = (
    "availabilityZoneCidrMask",
    "availabilityZoneNames",
    "cidrBlock",
    "natGateways",
    "numberOfAvailabilityZones",
    "subnetNameTagStrategy",
    "subnetStrategy",
    "vpcEndpointStrategy",
)
_COMPOUND = ("subnetSpecs", "tags", "vpcEndpointSpecs")
_SUBNET_KEYS = (
    "assignIpv6AddressOnCreation",
    "cidrBlocks",
    "cidrMask",
    "name",
    "size",
    "tags",
    "type",
)
_ENDPOINT_PASSED = (
    "autoAccept",
    "dnsOptions",
    "ipAddressType",
    "policy",
    "resourceConfigurationArn",
    "serviceName",
    "serviceNetworkArn",
    "serviceRegion",
    "subnetConfigurations",
    "vpcEndpointType",
)
_ENDPOINT_KEYS = (
    *_ENDPOINT_PASSED,
    "privateDnsEnabled",
    "region",
    "routeTableIds",
    "securityGroupIds",
    "subnetIds",
    "tags",
)
_CHOICES = {
    "subnetStrategy": ("Legacy", "Auto", "AutoMerge", "Exact"),
    "subnetNameTagStrategy": ("Legacy", "AvailabilityZone"),
    "vpcEndpointStrategy": ("Legacy", "Auto"),
}
_NAT_STRATEGIES = ("none", "single", "oneperaz")
_SUBNET_TYPES = ("Public", "Private", "Isolated", "Unused")
_CREATION_ORDER = {"public": 0, "private": 1, "isolated": 2}
_ENDPOINT_SUBNET_ORDER = ("private", "isolated", "public")


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A created subnet, with the attributes that other resources select it by.

    Attributes:
        resource: the subnet.
        kind: public, private or isolated.
        zone: its availability zone.
    """

    resource: Child
    kind: str
    zone: str


class Vpc(Component):
    """`awsx:ec2:Vpc`.

    Args:
        name: logical name.
        args: inputs in wire format.
        opts: options of the component.

    Raises:
        InputPropertiesError: inputs that the real component refuses, with its message.
    """

    def __init__(self, name: str, args: Inputs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(TOKEN, name, opts)
        try:
            _VpcBuilder(self, name, args).build()
        except subnet_layout.SubnetError as error:
            refuse(str(error))
        self.register_outputs({})


class _VpcBuilder:
    """Creates the children of one VPC; its attributes are the lists in the outputs."""

    def __init__(self, component: Vpc, name: str, args: Inputs) -> None:
        self.component = component
        self.name = name
        self.args = args
        self.tags = args.get("tags")
        self.shared_tags = merged_tags({"Name": name}, self.tags)
        self.made: list[Made] = []
        self.route_tables: list[Child] = []
        self.associations: list[Child] = []
        self.routes: list[Child] = []
        self.nat_gateways: list[Child] = []
        self.eips: list[Child] = []
        self.endpoints: list[Child] = []

    def build(self) -> None:
        args = self.args
        _check_inputs(args, self.component)
        endpoint_kinds = [
            _endpoint_kind(spec, self._endpoints_auto) for spec in self._endpoint_specs
        ]
        dns = self._dns_defaults(endpoint_kinds)
        self.zones = self._availability_zones()
        gateways: Mapping[str, Any] = args.get("natGateways") or {}
        self.nat_strategy = gateways.get("strategy") or "OnePerAz"
        if self.nat_strategy.lower() not in _NAT_STRATEGIES:
            refuse(f"Unknown NatGatewayStrategy '{self.nat_strategy}'")
        self.vpc, layout, placed, blocks = self._vpc_and_layout(dns)
        self.internet_gateway = self._child(
            "aws:ec2/internetGateway:InternetGateway",
            self.name,
            {"vpcId": self.vpc.id, "tags": self.shared_tags},
            self.vpc,
        )
        self._make_zones(list(zip(placed, blocks, strict=True)))
        for spec, kind in zip(self._endpoint_specs, endpoint_kinds, strict=True):
            self._make_endpoint(spec, kind)
        self._set_outputs(layout)

    @property
    def _endpoint_specs(self) -> Sequence[Mapping[str, Any]]:
        return self.args.get("vpcEndpointSpecs") or ()

    @property
    def _endpoints_auto(self) -> bool:
        return self.args.get("vpcEndpointStrategy") == "Auto"

    def _child(
        self,
        kind: str,
        name: str,
        inputs: Inputs,
        parent: pulumi.Resource,
        outputs: Sequence[str] = (),
    ) -> Child:
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[parent])
        return Child(kind, name, {"region": self.args.get("region"), **inputs}, opts, outputs)

    def _dns_defaults(self, kinds: Sequence[str | None]) -> dict[str, Any]:
        """The VPC's DNS settings: private DNS of an automatic interface endpoint requires both."""
        given = {key: self.args.get(key) for key in ("enableDnsHostnames", "enableDnsSupport")}
        needed = self._endpoints_auto and any(
            kind == "interface" and spec.get("privateDnsEnabled") in (None, True)
            for spec, kind in zip(self._endpoint_specs, kinds, strict=True)
        )
        if not needed:
            return given
        for key, value in given.items():
            if value is False:
                refuse(
                    f'vpcEndpointStrategy "Auto" requires {key} to be true when Interface endpoint '
                    "private DNS is enabled."
                )
        return {key: True if value is None else value for key, value in given.items()}

    def _availability_zones(self) -> tuple[str, ...]:
        names: Sequence[str] | None = self.args.get("availabilityZoneNames")
        count: int | None = self.args.get("numberOfAvailabilityZones")
        if names and count:
            refuse(
                "Only one of [availabilityZoneNames] and [numberOfAvailabilityZones] can be "
                "specified"
            )
        if names is not None:
            return tuple(names)
        region = self.args.get("region")
        if isinstance(region, pulumi.Output):
            refuse(
                "Vpc.region must be a plain string when availabilityZoneNames is not set. If "
                "region is dynamic, specify availabilityZoneNames explicitly."
            )
        return _default_zones(
            DEFAULT_ZONES if count is None else int(count), region, self.component
        )

    def _vpc_and_layout(
        self, dns: Mapping[str, Any]
    ) -> tuple[Child, list[dict[str, Any]], list[subnet_layout.Subnet], Sequence[str]]:
        """Creates the VPC after validating that its subnets fit."""
        args = self.args
        strategy: str = args.get("subnetStrategy") or "Legacy"
        layout = _layout(self.name, args, strategy, self.zones)
        placed = subnet_layout.subnets(layout)
        block = args.get("cidrBlock") or DEFAULT_BLOCK
        blocks = subnet_layout.allocate(layout, block)
        named = [(one.tag, where) for one, where in zip(placed, blocks, strict=True)]
        subnet_layout.check_overlaps(named)
        if strategy == "Exact":
            subnet_layout.check_no_gaps(block, named)
        _check_gateway_subnets(self.nat_strategy, {one.spec.kind for one in placed})
        passed = {key: args.get(key) for key in _PASSED_TO_VPC}
        vpc = Child(
            "aws:ec2/vpc:Vpc",
            self.name,
            {**passed, **dns, "cidrBlock": block, "tags": self.shared_tags},
            pulumi.ResourceOptions(parent=self.component),
            ("cidrBlock",),
        )
        pairs = list(zip(placed, blocks, strict=True))
        as_given = strategy in {"Auto", "Exact"}
        shown = subnet_layout.resolved_layout(layout, pairs, as_given=as_given)
        _warn_of_strategy(args, shown, self.component)
        return vpc, shown, placed, blocks

    def _make_zones(self, placed: Sequence[tuple[subnet_layout.Subnet, Any]]) -> None:
        for index, zone in enumerate(self.zones):
            here = [
                (subnet, block)
                for subnet, block in placed
                if subnet.zone == zone and subnet.spec.kind != "unused"
            ]
            # Public subnets come first: the routes of private ones need the NAT gateways in them.
            here.sort(key=lambda pair: _CREATION_ORDER[pair[0].spec.kind])
            for subnet, block in here:
                self._make_subnet(index, subnet, block)

    def _make_subnet(self, index: int, subnet: subnet_layout.Subnet, block: Value) -> None:
        spec, name = subnet.spec, subnet.name
        own = {"Name": subnet.tag, "SubnetType": spec.type}
        made = self._child(
            "aws:ec2/subnet:Subnet",
            name,
            {
                "vpcId": self.vpc.id,
                "availabilityZone": subnet.zone,
                "mapPublicIpOnLaunch": spec.kind == "public",
                "cidrBlock": block,
                "assignIpv6AddressOnCreation": False,
                "tags": merged_tags(self.shared_tags, spec.tags, own),
            },
            self.vpc,
        )
        self.made.append(Made(resource=made, kind=spec.kind, zone=subnet.zone))
        table = self._child(
            "aws:ec2/routeTable:RouteTable",
            name,
            {"vpcId": self.vpc.id, "tags": merged_tags(self.shared_tags, own)},
            made,
        )
        self.route_tables.append(table)
        self.associations.append(
            self._child(
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                name,
                {"routeTableId": table.id, "subnetId": made.id},
                table,
            )
        )
        if spec.kind == "public" and self._needs_nat(index):
            self._make_nat(index, made)
        if target := self._route_target(spec.kind, index):
            inputs = {"routeTableId": table.id, "destinationCidrBlock": ANYWHERE, **target}
            self.routes.append(self._child("aws:ec2/route:Route", name, inputs, table))

    def _needs_nat(self, index: int) -> bool:
        match self.nat_strategy.lower():
            case "single":
                return not self.nat_gateways
            case "oneperaz":
                return len(self.nat_gateways) < index + 1
            case _:
                return False

    def _make_nat(self, index: int, subnet: Child) -> None:
        name = f"{self.name}-{index + 1}"
        tags = merged_tags(self.tags, {"Name": name})
        eip = self._child("aws:ec2/eip:Eip", name, {"tags": tags}, subnet, ("allocationId",))
        self.eips.append(eip)
        allocation = eip["allocationId"]
        inputs = {"subnetId": subnet.id, "allocationId": allocation, "tags": tags}
        self.nat_gateways.append(self._child("aws:ec2/natGateway:NatGateway", name, inputs, subnet))

    def _route_target(self, kind: str, index: int) -> dict[str, Any] | None:
        if kind == "public":
            return {"gatewayId": self.internet_gateway.id}
        strategy = self.nat_strategy.lower()
        if kind != "private" or strategy == "none":
            return None
        return {"natGatewayId": self.nat_gateways[0 if strategy == "single" else index].id}

    def _make_endpoint(self, spec: Mapping[str, Any], kind: str | None) -> None:
        service: str = spec["serviceName"]
        filled = dict(spec)
        if self._endpoints_auto:
            filled = self._filled_endpoint(spec, kind)
        else:
            _warn_of_endpoint(spec, kind, self.component)
        inputs = {
            **{key: filled.get(key) for key in _ENDPOINT_KEYS},
            "region": spec.get("region", self.args.get("region")),
            "tags": self._endpoint_tags(spec),
            "vpcId": self.vpc.id,
        }
        self.endpoints.append(
            self._child("aws:ec2/vpcEndpoint:VpcEndpoint", service, inputs, self.vpc)
        )

    def _filled_endpoint(self, spec: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
        """An endpoint's spec with the additions of the automatic strategy."""
        added: dict[str, Any] = {}
        if kind == "interface":
            if spec.get("subnetConfigurations") is None:
                added["subnetIds"] = self._endpoint_subnets()
            added["privateDnsEnabled"] = True
            if spec.get("securityGroupIds") is None:
                added["securityGroupIds"] = [self._endpoint_security_group(spec)]
        elif kind == "gateway":
            added["routeTableIds"] = [table.id for table in self.route_tables]
        return {**added, **present(spec)}

    def _endpoint_tags(self, spec: Mapping[str, Any]) -> Value:
        return merged_tags(self.shared_tags, spec.get("tags"))

    def _endpoint_subnets(self) -> list[Any]:
        """One subnet per zone, a private one if the zone has one."""
        chosen: list[Any] = []
        for zone in self.zones:
            here = [one for one in self.made if one.zone == zone]
            here.sort(key=lambda one: _ENDPOINT_SUBNET_ORDER.index(one.kind))
            chosen += [one.resource.id for one in here[:1]]
        return chosen

    def _endpoint_security_group(self, spec: Mapping[str, Any]) -> Value:
        service: str = spec["serviceName"]
        region = {"region": spec.get("region", self.args.get("region"))}
        group = self._child(
            "aws:ec2/securityGroup:SecurityGroup",
            f"{service}-sg",
            {"vpcId": self.vpc.id, "tags": self._endpoint_tags(spec), **region},
            self.vpc,
        )
        address_type = spec.get("ipAddressType")
        wants_ipv6 = isinstance(address_type, str) and address_type.lower() in {"ipv6", "dualstack"}
        Child(
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            f"{service}-ingress",
            {
                **region,
                "type": "ingress",
                "securityGroupId": group.id,
                "protocol": "tcp",
                "fromPort": 443,
                "toPort": 443,
                "cidrBlocks": [self.vpc["cidrBlock"]],
                "ipv6CidrBlocks": [self.vpc["ipv6CidrBlock"]] if wants_ipv6 else None,
            },
            pulumi.ResourceOptions(parent=self.vpc, depends_on=[group]),
        )
        return group.id

    def _set_outputs(self, layout: Value) -> None:
        def of(kind: str) -> list[Child]:
            return [one.resource for one in self.made if one.kind == kind]

        self.component.outputs = {
            "eips": self.eips,
            "internetGateway": self.internet_gateway,
            "isolatedSubnetIds": [subnet.id for subnet in of("isolated")],
            "isolatedSubnets": of("isolated"),
            "natGateways": self.nat_gateways,
            "privateSubnetIds": [subnet.id for subnet in of("private")],
            "privateSubnets": of("private"),
            "publicSubnetIds": [subnet.id for subnet in of("public")],
            "publicSubnets": of("public"),
            "routeTableAssociations": self.associations,
            "routeTables": self.route_tables,
            "routes": self.routes,
            "subnetLayout": layout,
            "subnets": [one.resource for one in self.made],
            "vpc": self.vpc,
            "vpcEndpoints": self.endpoints,
            "vpcId": self.vpc.id,
        }


def _check_inputs(args: Inputs, component: Vpc) -> None:
    """Refuses values outside an enumeration, and warns of properties that awsx does not have."""
    _check_simulated(args)
    for key in _PLAIN:
        if isinstance(args.get(key), pulumi.Output):
            refuse(f"{key} must be a plain value: awsx decides by it which resources there are")
    for key, allowed in _CHOICES.items():
        if args.get(key) not in (None, *allowed):
            refuse(f"{key} must be one of {', '.join(allowed)}, not {args[key]!r}")
    subnet_specs: Sequence[Mapping[str, Any]] = args.get("subnetSpecs") or ()
    for index, spec in enumerate(subnet_specs):
        kinds = [kind.lower() for kind in _SUBNET_TYPES]
        if str(spec.get("type")).lower() not in kinds:
            refuse(
                f"subnetSpecs[{index}].type must be one of {', '.join(_SUBNET_TYPES)}, "
                f"not {spec.get('type')!r}"
            )
    endpoint_specs: Sequence[Mapping[str, Any]] = args.get("vpcEndpointSpecs") or ()
    for index, spec in enumerate(endpoint_specs):
        if not spec.get("serviceName"):
            refuse(f"vpcEndpointSpecs[{index}].serviceName is missing")
    unknown = [
        *(
            key
            for key in args
            if key not in (*_PASSED_TO_VPC, *_PLAIN, *_COMPOUND, *_NOT_SIMULATED)
        ),
        *_unknown_keys("subnetSpecs", subnet_specs, _SUBNET_KEYS),
        *_unknown_keys("vpcEndpointSpecs", endpoint_specs, _ENDPOINT_KEYS),
    ]
    for key in unknown:
        pulumi.log.warn(f"{TOKEN} has no property {key}; it is ignored", component)


def _check_simulated(args: Inputs) -> None:
    """Refuses IPv6, address blocks of IPAM and addresses that exist already."""
    asked = [key for key in _NOT_SIMULATED if args.get(key) is not None]
    gateways: Mapping[str, Any] = args.get("natGateways") or {}
    if gateways.get("elasticIpAllocationIds"):
        asked.append("natGateways.elasticIpAllocationIds")
    specs: Sequence[Mapping[str, Any]] = args.get("subnetSpecs") or ()
    asked += [
        f"subnetSpecs[{index}].assignIpv6AddressOnCreation"
        for index, spec in enumerate(specs)
        if spec.get("assignIpv6AddressOnCreation")
    ]
    if asked:
        refuse(f"awsx.ec2.Vpc: `{asked[0]}` is not simulated; set `cidrBlock` and leave it out")


def _unknown_keys(
    where: str, specs: Sequence[Mapping[str, Any]], known: Sequence[str]
) -> list[str]:
    return [
        f"{where}[{index}].{key}"
        for index, spec in enumerate(specs)
        for key in spec
        if key not in known
    ]


def _check_gateway_subnets(strategy: str, kinds: set[str]) -> None:
    if strategy.lower() == "none" or ("public" in kinds and kinds & {"private", "isolated"}):
        return
    raise subnet_layout.SubnetError(
        "If NAT Gateway strategy is 'OnePerAz' or 'Single', public subnets must be declared to "
        "host the NAT Gateway resource, along with private or isolated subnets to route through it."
    )


def _default_zones(count: int, region: str | None, component: Vpc) -> tuple[str, ...]:
    result = pulumi.runtime.invoke(
        "aws:index/getAvailabilityZones:getAvailabilityZones",
        present({"region": region}),
        pulumi.InvokeOptions(parent=component),
    )
    names = cast("Mapping[str, Sequence[str] | None]", result.value or {}).get("names")
    if not names:
        refuse(
            "Could not fetch default Availability Zones. If this is an opt-in region, please "
            "enable the region first. Alternatively, you may specify an explicit list of zones in "
            "`availabilityZoneNames`."
        )
    if len(names) < count:
        refuse(
            f"The configured region for this provider does not have at least {count} Availability "
            "Zones. Either specify an explicit list of zones in availabilityZoneNames or choose a "
            f"region with at least {count} AZs."
        )
    return tuple(names[:count])


def _layout(name: str, args: Inputs, strategy: str, zones: tuple[str, ...]) -> subnet_layout.Layout:
    by_zone = args.get("subnetNameTagStrategy") == "AvailabilityZone"
    if by_zone:
        subnet_layout.check_zone_suffixes(zones)
    given: Sequence[Mapping[str, Any]] | None = args.get("subnetSpecs")
    specs = None if given is None else tuple(map(_spec, given))
    explicit = any(spec.cidr_blocks is not None for spec in specs or ())
    if strategy == "AutoMerge" and explicit:
        refuse(
            'subnetStrategy="AutoMerge" does not support subnetSpecs with explicit cidrBlocks. Use '
            'subnetStrategy="Auto" or "Exact" to fully specify the subnet layout.'
        )
    mask = args.get("availabilityZoneCidrMask")
    return subnet_layout.Layout(
        vpc=name,
        zones=zones,
        specs=None if specs is None else subnet_layout.normalise(specs, len(zones)),
        allocator=_allocator(strategy, has_specs=specs is not None, explicit=explicit),
        zone_mask=None if mask is None else int(mask),
        tag_by_zone=by_zone,
    )


def _allocator(strategy: str, *, has_specs: bool, explicit: bool) -> subnet_layout.Allocator:
    if strategy == "Legacy" or (strategy == "Exact" and not has_specs):
        return "Legacy"
    if explicit:
        return "Explicit"
    return "AutoMerge" if strategy == "AutoMerge" else "Auto"


def _spec(given: Mapping[str, Any]) -> subnet_layout.Spec:
    def whole(key: str) -> int | None:
        return None if given.get(key) is None else int(given[key])

    blocks: Sequence[str] | None = given.get("cidrBlocks")
    return subnet_layout.Spec(
        type=given["type"],
        name=given.get("name"),
        cidr_blocks=None if blocks is None else tuple(blocks),
        cidr_mask=whole("cidrMask"),
        size=whole("size"),
        tags=given.get("tags"),
    )


def _endpoint_kind(spec: Mapping[str, Any], auto: bool) -> str | None:
    kind = spec.get("vpcEndpointType")
    if kind is None:
        return "gateway"
    if isinstance(kind, str):
        return kind.lower()
    if auto:
        refuse(
            'vpcEndpointStrategy "Auto" requires vpcEndpointType for endpoint '
            f'"{spec["serviceName"]}" to be omitted or a plain string. Use vpcEndpointStrategy '
            '"Legacy" for dynamic endpoint types.'
        )
    return None


def _warn_of_strategy(args: Inputs, layout: Sequence[Mapping[str, Any]], component: Vpc) -> None:
    specs: Sequence[Mapping[str, Any]] | None = args.get("subnetSpecs")
    if args.get("subnetStrategy") is not None or specs is None:
        return
    if any(spec.get("cidrBlocks") is not None for spec in specs):
        return
    pulumi.log.warn(
        'The default subnetStrategy will change from "Legacy" to "Auto" in the next major version. '
        "Please specify the subnetStrategy explicitly. The current subnet layout can be specified "
        f'via "Auto" as:\n\n{json.dumps(layout, separators=(",", ":"))}',
        component,
    )


def _warn_of_endpoint(spec: Mapping[str, Any], kind: str | None, component: Vpc) -> None:
    service = spec["serviceName"]
    placed = spec.get("subnetIds") is not None or spec.get("subnetConfigurations") is not None
    if kind == "interface" and not placed:
        pulumi.log.warn(
            f'VPC endpoint "{service}" is an Interface endpoint without subnetIds or '
            'subnetConfigurations. Specify vpcEndpointStrategy: "Auto" to use generated VPC '
            "subnets.",
            component,
        )
    if kind == "gateway" and spec.get("routeTableIds") is None:
        pulumi.log.warn(
            f'VPC endpoint "{service}" is a Gateway endpoint without routeTableIds. Specify '
            'vpcEndpointStrategy: "Auto" to use generated VPC route tables.',
            component,
        )
