"""Names in policies, alarms, dashboards and templates refer only to resources of the fleet.

A wrong name causes no error: a policy allows nothing, an alarm has no data, or log events are lost.
`references.yaml` lists the valid names. Add a new name there, with its source.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.components import fleets
from tests.components.recording import EXISTING_CLUSTER, Recording, example, run
from tests.components.references import Made, arns, leaves, mentions

TABLE = cast(
    "dict[str, Any]",
    yaml.safe_load(Path(__file__).with_name("references.yaml").read_text(encoding="utf-8")),
)
EXAMPLES = {f"Pulumi.{name}.yaml": example(name) for name in ("dev", "lambda", "eks")}
FLEETS = EXAMPLES | fleets.EVERY_FLEET
# Parts of ARNs that the configuration contains: the repository of an image, a model.
_NAMED = re.compile(r":(?:repository|foundation-model|inference-profile)/(.+)$")
_LOG_GROUP_KEYS = {"logGroup", "logGroupName", "awslogs-group"}
EKS = [name for name, fleet in FLEETS.items() if fleet.get("target") == "eks"]
# A metric of a dashboard or an alarm: namespace, name and dimensions.
Metric = tuple[str, str, dict[str, str]]


@cache
def made(fleet: str) -> Made:
    return Made(run(FLEETS[fleet]))


@pytest.mark.parametrize("fleet", FLEETS)
def test_every_arn_is_of_something_that_is_made(fleet: str):
    unknown = {
        str(mention)
        for mention in arns(made(fleet).recording)
        if not made(fleet).covers(mention.text)
        and not is_configured(mention.text, FLEETS[fleet])
        and not any(re.search(pattern, mention.text) for pattern in TABLE["not_made"])
    }
    assert unknown == set(), "nothing of this name is made; if that is right: references.yaml"


@pytest.mark.parametrize(
    "arn",
    [
        "lambda:us-east-1:123456789012:function:mcp-platform-dev-clok",
        "logs:us-east-1:123456789012:log-group:/mcp-platform/dev/clok:*",
        "states:us-east-1:123456789012:execution:mcp-platform-dev-nobody:*",
        "sns:eu-west-1:123456789012:*",
    ],
)
def test_an_arn_of_a_missing_resource_is_found(arn: str):
    assert not made("lambda full").covers(f"arn:aws:{arn}")


def test_a_path_that_an_api_does_not_have_is_found():
    there = made("lambda full")
    (server,) = [each for each in there.arns if each.endswith("/live/POST/servers/search/mcp")]
    assert there.covers(server)
    assert there.covers(server.replace("POST", "*"))
    assert not there.covers(server.replace("search", "serach"))
    assert not there.covers(server.replace("POST", "CONNECT"))


def is_configured(arn: str, fleet: Mapping[str, Any]) -> bool:
    """Whether the configuration contains an ARN or its last part."""
    text = json.dumps(fleet)
    named = _NAMED.search(arn)
    return arn in text or bool(named and named[1] in text)


@pytest.mark.parametrize("fleet", FLEETS)
def test_every_log_group_is_made(fleet: str):
    there = made(fleet).names("cloudwatch.LogGroup", "name")
    unknown = {
        str(mention)
        for mention in mentions(made(fleet).recording)
        if mention.path.rpartition(".")[2] in _LOG_GROUP_KEYS
        and mention.text not in there | set(TABLE["log_groups"])
    }
    assert unknown == set(), "no log group has this name; if that is right: references.yaml"


@pytest.mark.parametrize("fleet", EKS)
def test_fluent_bit_writes_only_to_log_groups_that_are_made(fleet: str):
    there = made(fleet).names("cloudwatch.LogGroup", "name")
    (cluster,) = clusters(made(fleet)) or {str(EXISTING_CLUSTER["name"])}
    containers = made(fleet).names("kubernetes.Deployment", "metadata.name")
    ours = made(fleet).recording.of("eks.Cluster")
    for _, text in pipelines(made(fleet).recording):
        for group in re.findall(r"log_group_name\s+(\S+)", text):
            # The log groups of an existing cluster belong to its owner.
            assert not ours or group.replace("${CLUSTER_NAME}", cluster) in there
        (template,) = re.findall(r"log_group_template\s+(\S+)", text)
        start = template.removesuffix("$kubernetes['container_name']")
        assert {f"{start}{container}" for container in containers} <= there


@pytest.mark.parametrize("fleet", EKS)
def test_fluent_bit_reads_the_logs_of_every_namespace_that_has_workloads(fleet: str):
    deployments = made(fleet).recording.of("kubernetes.Deployment")
    namespaces = {each.inputs["metadata"]["namespace"] for each in deployments}
    for _, text in pipelines(made(fleet).recording):
        read = set(re.findall(r"/var/log/containers/\*_([a-z0-9-]+)_\*\.log", text))
        assert read == namespaces


def pipelines(recording: Recording) -> Iterator[tuple[str, str]]:
    """The configurations of Fluent Bit."""
    for made_ in recording.of("eks.Addon"):
        for path, text in leaves(made_.inputs):
            if "log_group_template" in text:
                yield path, text


@pytest.mark.parametrize("fleet", EKS)
def test_every_role_of_a_pod_is_for_an_account_that_is_made(fleet: str):
    accounts = {
        f"{each.inputs['metadata']['namespace']}/{each.inputs['metadata']['name']}"
        for each in made(fleet).recording.of("kubernetes.ServiceAccount")
    }
    named = {
        f"{each.inputs['namespace']}/{each.inputs['serviceAccount']}"
        for each in made(fleet).recording.of("eks.PodIdentityAssociation")
    }
    unknown = named - accounts - set(TABLE["service_accounts"])
    assert unknown == set(), "nobody makes these accounts; if somebody does: references.yaml"


# --- metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fleet", FLEETS)
def test_every_metric_is_published_with_exactly_these_dimensions(fleet: str):
    unknown = {
        f"{namespace} {name} {sorted(dimensions)}"
        for namespace, name, dimensions in metrics(made(fleet).recording)
        if namespace in TABLE["metrics"]
        and sorted(dimensions)
        not in [sorted(known) for known in TABLE["metrics"][namespace]["metrics"].get(name, ())]
    }
    assert unknown == set(), "AWS publishes no such metric; if it does: references.yaml, metrics"


@pytest.mark.parametrize("fleet", FLEETS)
def test_every_dimension_is_of_something_that_is_made(fleet: str):
    unknown = {
        f"{namespace} {name} {dimension}={value}"
        for namespace, name, dimensions in metrics(made(fleet).recording)
        if namespace in TABLE["metrics"]
        for dimension, value in dimensions.items()
        if value not in values(made(fleet), namespace, dimension)
    }
    assert unknown == set()


def values(there: Made, namespace: str, dimension: str) -> set[str]:
    kind, attribute = TABLE["metrics"][namespace]["values"][dimension]
    found = there.names(kind, attribute)
    is_existing_cluster = kind == "eks.Cluster" and not found
    return {str(EXISTING_CLUSTER["name"])} if is_existing_cluster else found


@pytest.mark.parametrize("fleet", FLEETS)
def test_every_metric_of_our_own_has_a_filter_that_makes_it(fleet: str):
    ours = {
        (namespace, name)
        for namespace, name, _ in metrics(made(fleet).recording)
        if namespace not in TABLE["metrics"]
    }
    filters = made(fleet).recording.of("cloudwatch.LogMetricFilter")
    transformations = [each.inputs["metricTransformation"] for each in filters]
    assert ours
    assert ours <= {(each["namespace"], each["name"]) for each in transformations}


def test_the_table_has_a_source_for_every_namespace():
    for namespace, entry in TABLE["metrics"].items():
        dimensions = {name for sets in entry["metrics"].values() for one in sets for name in one}
        assert entry["source"], namespace
        assert set(entry["values"]) <= dimensions, namespace


def metrics(recording: Recording) -> Iterator[Metric]:
    """The metrics of all alarms and dashboards."""
    for alarm in recording.of("cloudwatch.MetricAlarm"):
        inputs = alarm.inputs
        queries = [each["metric"] for each in inputs.get("metricQueries", ()) if each.get("metric")]
        for query in [inputs] if inputs.get("metricName") else queries:
            yield query["namespace"], query["metricName"], query.get("dimensions", {})
    for dashboard in recording.of("cloudwatch.Dashboard"):
        for widget in dashboard.json("dashboardBody")["widgets"]:
            assert widget["type"] in ("metric", "text"), "teach this test what it names"
            for row in widget.get("properties", {}).get("metrics", ()):
                yield of_row(row)


def of_row(row: Sequence[Any]) -> Metric:
    """The metric of a chart's row: namespace, name, and alternating dimension names and values."""
    texts = [text for text in row if isinstance(text, str)]
    assert "." not in texts, "teach this test what a dot repeats"
    return texts[0], texts[1], dict(zip(texts[2::2], texts[3::2], strict=True))


# --- scaling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fleet", FLEETS)
def test_what_scales_by_the_load_of_a_target_group_names_one_that_is_made(fleet: str):
    balancers = made(fleet).names("lb.LoadBalancer", "arnSuffix")
    groups = made(fleet).names("lb.TargetGroup", "arnSuffix")
    there = {f"{balancer}/{group}" for balancer in balancers for group in groups}
    named = {
        mention.text
        for mention in mentions(made(fleet).recording)
        if mention.path.endswith("predefinedMetricSpecification.resourceLabel")
    }
    assert named <= there


@pytest.mark.parametrize("fleet", FLEETS)
def test_what_scales_is_made(fleet: str):
    there = {
        f"service/{cluster}/{service}"
        for cluster in made(fleet).names("ecs.Cluster", "name")
        for service in made(fleet).names("ecs.Service", "name")
    }
    there |= {
        f"function:{alias.inputs['functionName']}:{alias.inputs['name']}"
        for alias in made(fleet).recording.of("lambda.Alias")
    }
    targets = made(fleet).recording.of("appautoscaling.Target")
    assert {target.inputs["resourceId"] for target in targets} <= there


def clusters(there: Made) -> set[str]:
    return there.names("eks.Cluster", "name")
