"""Patterns of the text values in the configuration, and types of text that have one."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

# A workload's name is a DNS label (Cloud Map: 63 characters), part of a path, and the stem of AWS
# names; 32 leaves room for our prefixes and suffixes in the narrowest of them, an IAM role's 64.
NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
SECRET_NAME = r"^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$"
VARIABLE = r"^[A-Z][A-Z0-9_]*$"
DIGEST_URI = r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$"
ABSOLUTE_PATH = r"^(/[a-z0-9][a-z0-9_.-]*)+$"
MODEL_ID = r"^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?$"
SECRET_ARN = (
    r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$"
)
VPC_ID = r"^vpc-[0-9a-f]{8,17}$"
SUBNET_ID = r"^subnet-[0-9a-f]{8,17}$"
HTTPS_URL = r"^https://\S+$"
DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
ZONE_ID = r"^Z[A-Z0-9]{1,31}$"
# AWS Certificate Manager API reference, DescribeCertificate, CertificateArn.
CERTIFICATE_ARN = r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]{1,64}$"
KUBERNETES_VERSION = r"^1\.[0-9]{2}$"
CLUSTER_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
PRINCIPAL_ARN = r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[\w+=,.@/-]+$"
IDENTITY_CENTER_ARN = r"^arn:aws[a-z-]*:sso:::instance/(sso)?ins-[0-9a-zA-Z.-]{16}$"
IDENTITY_CENTER_GROUP = r"^([0-9a-f]{10}-)?[0-9A-Fa-f-]{36}$"
# The regions of every partition; a test compares this with the regions of the AWS SDK.
REGION = (
    r"^(af|ap|ca|cn|eu|eu-isoe|eusc-de|il|me|mx|sa|us|us-gov|us-iso[bf]?)"
    r"-(central|((north|south)?(east|west)|north|south))-[1-9][0-9]?$"
)
INSTANCE_TYPE = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"
REPOSITORY_URL = r"^(https|ssh)://[^\s@]+(@[^\s@]+)?$"
RELATIVE_PATH = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
BRANCH = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"

PHRASES: Mapping[str, str] = {
    NAME: "a lower-case letter, then letters, digits, inner dashes; at most 32 characters",
    SECRET_NAME: "a lower-case letter, then letters, digits, inner dashes; at most 64 characters",
    VARIABLE: "an upper-case letter, then upper-case letters, digits and underscores",
    DIGEST_URI: "an image by its digest: repository@sha256:<64 hex digits>",
    ABSOLUTE_PATH: "an absolute path in lower case, such as /data",
    MODEL_ID: "the id of a Bedrock model, such as amazon.nova-lite-v1:0, or of an inference "
    "profile, such as us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    SECRET_ARN: "the whole ARN of a Secrets Manager secret, with its six last characters",
    VPC_ID: "a VPC id, such as vpc-0a1b2c3d4e5f60718",
    SUBNET_ID: "a subnet id, such as subnet-0a1b2c3d4e5f60718",
    HTTPS_URL: "an https:// address",
    DOMAIN: "a host name in lower case, such as mcp.example.com",
    ZONE_ID: "the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ",
    CERTIFICATE_ARN: "the ARN of a certificate of AWS Certificate Manager",
    KUBERNETES_VERSION: 'a version of Kubernetes, such as "1.36"',
    CLUSTER_NAME: "the name of an EKS cluster: letters, digits, inner dashes and underscores",
    PRINCIPAL_ARN: "the ARN of an IAM role or user",
    IDENTITY_CENTER_ARN: "the ARN of an IAM Identity Center instance",
    IDENTITY_CENTER_GROUP: "the id of a group of IAM Identity Center",
    REGION: "an AWS region, such as us-east-1",
    INSTANCE_TYPE: "an EC2 instance type, such as m7g.large",
    REPOSITORY_URL: "the https:// or ssh:// address of a Git repository, without credentials",
    RELATIVE_PATH: "a path inside the repository, such as clusters/production",
    BRANCH: "the name of a branch",
    EMAIL: "an e-mail address",
}
"""A description of each pattern, for error messages."""

Name = Annotated[str, Field(pattern=NAME)]
SecretName = Annotated[str, Field(pattern=SECRET_NAME)]
SubnetId = Annotated[str, Field(pattern=SUBNET_ID)]
ModelId = Annotated[str, Field(pattern=MODEL_ID)]
InstanceType = Annotated[str, Field(pattern=INSTANCE_TYPE)]
IdentityCenterGroup = Annotated[str, Field(pattern=IDENTITY_CENTER_GROUP)]
Variable = Annotated[str, Field(pattern=VARIABLE)]


def is_region(name: str) -> bool:
    """Whether it is the name of an AWS region."""
    return re.fullmatch(REGION, name) is not None
