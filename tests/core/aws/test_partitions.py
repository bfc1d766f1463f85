"""Values that depend on the partition of a region, compared with botocore's table of partitions."""

import json
import re
from pathlib import Path
from typing import Any

import botocore
import pytest

from core.aws.partitions import dashboard_url, ec2_principal, partition_of, service_host


def _published() -> dict[str, Any]:
    data = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())
    return {one["id"]: one for one in data["partitions"]}


REGIONS = {
    "us-east-1": "aws",
    "eu-central-1": "aws",
    "cn-north-1": "aws-cn",
    "cn-northwest-1": "aws-cn",
    "us-gov-west-1": "aws-us-gov",
    "eusc-de-east-1": "aws-eusc",
}


@pytest.mark.parametrize(("region", "name"), REGIONS.items())
def test_a_region_is_in_the_partition_that_aws_says(region: str, name: str):
    published = _published()[name]
    found = partition_of(region)
    assert re.match(published["regionRegex"], region)
    assert (found.name, found.dns_suffix) == (name, published["outputs"]["dnsSuffix"])


def test_a_service_answers_at_the_suffix_of_its_partition():
    assert service_host("logs", "us-gov-west-1") == "logs.us-gov-west-1.amazonaws.com"
    assert service_host("logs", "cn-north-1") == "logs.cn-north-1.amazonaws.com.cn"


def test_each_partition_has_a_console_of_its_own():
    hosts = {region: dashboard_url(region, "fleet").split("/")[2] for region in REGIONS}
    assert hosts == {
        "us-east-1": "us-east-1.console.aws.amazon.com",
        "eu-central-1": "eu-central-1.console.aws.amazon.com",
        "cn-north-1": "cn-north-1.console.amazonaws.cn",
        "cn-northwest-1": "cn-northwest-1.console.amazonaws.cn",
        "us-gov-west-1": "us-gov-west-1.console.amazonaws-us-gov.com",
        "eusc-de-east-1": "eusc-de-east-1.console.amazonaws-eusc.eu",
    }


def test_instances_have_another_principal_in_china():
    assert ec2_principal("cn-north-1") == "ec2.amazonaws.com.cn"
    assert ec2_principal("us-gov-west-1") == "ec2.amazonaws.com"
