"""GitOps: an engine in the cluster that applies manifests from a repository."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from components.foundation import Foundation
from components.targets.eks.cluster import Cluster
from core.aws.iam import capability_trust
from core.config.enums import GitOpsEngine
from core.config.model import GitOps, IdentityCenter
from core.resolved import Workload
from core.stack import Stack
from core.targets.eks.kubernetes import grace_period_seconds
from core.targets.eks.versions import CHARTS

_FLUX_NAMESPACE, _ARGOCD_NAMESPACE = "flux-system", "argocd"
_INTERVAL = "5m"

# The time in which an engine starts and finishes a deletion, in addition to the shutdown of pods.
_PRUNE_SECONDS = 15 * 60


def follow(
    name: str,
    *,
    gitops: GitOps,
    stack: Stack,
    workloads: Sequence[Workload],
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> None:
    """Installs the engine and configures it to apply the manifests of the fleet.

    The engine creates the objects that the repository adds and deletes the objects that it
    removes. In an existing cluster, Flux is already installed, and is only configured.

    Args:
        name: The prefix of the logical names.
        gitops: The engine, and the location of the manifests.
        stack: The stack.
        workloads: The workloads in the manifests.
        foundation: The foundation.
        cluster: The cluster.
        parent: The parent component.
        needed: The resources that the manifests depend on.
    """
    match gitops.engine, gitops.identity_center:
        case GitOpsEngine.FLUX, _:
            engine = [] if cluster.component is None else [_flux(name, parent, needed)]
            _flux_follows(name, gitops, stack, workloads, parent, engine)
        case GitOpsEngine.ARGOCD, IdentityCenter() as center:
            _argocd(
                name,
                gitops=gitops,
                center=center,
                stack=stack,
                workloads=workloads,
                foundation=foundation,
                cluster=cluster,
                parent=parent,
                needed=needed,
            )
        case _:
            raise ValueError("core.targets.eks.checks refuses Argo CD without IAM Identity Center")


def _flux(
    name: str, parent: pulumi.Resource, needed: Sequence[pulumi.Resource]
) -> k8s.helm.v3.Release:
    chart = CHARTS["flux"]
    home = k8s.core.v1.Namespace(
        f"{name}-flux-namespace",
        metadata={
            "name": _FLUX_NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )
    return k8s.helm.v3.Release(
        f"{name}-flux",
        name="flux",
        namespace=_FLUX_NAMESPACE,
        chart=chart.name,
        version=chart.version,
        repository_opts={"repo": chart.repository},
        # Only the controllers that fetch a repository and apply its manifests are installed.
        values={
            "helmController": {"create": False},
            "imageAutomationController": {"create": False},
            "imageReflectionController": {"create": False},
            "notificationController": {"create": False},
        },
        atomic=True,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[home]),
    )


def _flux_follows(
    name: str,
    gitops: GitOps,
    stack: Stack,
    workloads: Sequence[Workload],
    parent: pulumi.Resource,
    engine: Sequence[pulumi.Resource],
) -> None:
    metadata: k8s.meta.v1.ObjectMetaArgsDict = {
        "name": stack.label,
        "namespace": _FLUX_NAMESPACE,
    }
    repository = k8s.apiextensions.CustomResource(
        f"{name}-repository",
        api_version="source.toolkit.fluxcd.io/v1",
        kind="GitRepository",
        metadata=metadata,
        spec={
            "interval": _INTERVAL,
            "url": gitops.repository,
            "ref": {"branch": gitops.branch},
            # Flux requires the Secret to exist if the specification refers to it (docs/eks.md).
            **({"secretRef": {"name": stack.label}} if _wants_key(gitops) else {}),
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=engine),
    )
    k8s.apiextensions.CustomResource(
        f"{name}-manifests",
        api_version="kustomize.toolkit.fluxcd.io/v1",
        kind="Kustomization",
        metadata=metadata,
        spec={
            "interval": _INTERVAL,
            "path": f"./{gitops.path}",
            "prune": True,
            "wait": True,
            "sourceRef": {"kind": "GitRepository", "name": stack.label},
        },
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=[repository], custom_timeouts=_until_pods_are_gone(workloads)
        ),
    )


def _argocd(
    name: str,
    *,
    gitops: GitOps,
    center: IdentityCenter,
    stack: Stack,
    workloads: Sequence[Workload],
    foundation: Foundation,
    cluster: Cluster,
    parent: pulumi.Resource,
    needed: Sequence[pulumi.Resource],
) -> None:
    role = aws.iam.Role(
        f"{name}-argocd-role",
        description=f"Argo CD of {stack.label}",
        assume_role_policy=pulumi.Output.json_dumps(capability_trust()),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    home = k8s.core.v1.Namespace(
        f"{name}-argocd-namespace",
        metadata={"name": _ARGOCD_NAMESPACE},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=needed),
    )
    capability = aws.eks.Capability(
        f"{name}-argocd",
        cluster_name=cluster.name,
        capability_name="argocd",
        type="ARGOCD",
        role_arn=role.arn,
        # The API has no other value.
        delete_propagation_policy="RETAIN",
        configuration={
            "argo_cd": {
                "namespace": _ARGOCD_NAMESPACE,
                "aws_idc": {
                    "idc_instance_arn": center.instance_arn,
                    "idc_region": center.region or stack.region,
                },
                "rbac_role_mappings": [
                    {
                        "role": "ADMIN",
                        "identities": [
                            {"id": group, "type": "SSO_GROUP"} for group in center.admin_groups
                        ],
                    }
                ]
                if center.admin_groups
                else None,
            }
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[home]),
    )
    # The capability creates the access entry of the role, without permissions. The manifests
    # contain cluster-scoped objects, so no narrower access policy is sufficient.
    access = aws.eks.AccessPolicyAssociation(
        f"{name}-argocd-access",
        cluster_name=cluster.name,
        principal_arn=role.arn,
        policy_arn=pulumi.Output.format(
            "arn:{0}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
            foundation.account.partition,
        ),
        access_scope={"type": "cluster"},
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[capability]),
    )
    here = k8s.core.v1.Secret(
        f"{name}-argocd-cluster",
        metadata={
            "name": stack.label,
            "namespace": _ARGOCD_NAMESPACE,
            "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        },
        # It contains no secret value. Argo CD reads the clusters, also its own, from Secrets.
        string_data={
            "name": stack.label,
            "server": cluster.arn,
            "project": "default",
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[capability]),
    )
    k8s.apiextensions.CustomResource(
        f"{name}-application",
        api_version="argoproj.io/v1alpha1",
        kind="Application",
        metadata={
            "name": stack.label,
            "namespace": _ARGOCD_NAMESPACE,
            # The deletion of the Application also deletes the objects that it created.
            "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        },
        spec={
            "project": "default",
            "source": {
                "repoURL": gitops.repository,
                "targetRevision": gitops.branch,
                "path": gitops.path,
                "directory": {"recurse": True},
            },
            "destination": {"name": stack.label},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                # A workload that moves to another namespace is deleted from the old one only
                # after it is ready in the new one.
                "syncOptions": ["PruneLast=true"],
            },
        },
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[access, here],
            custom_timeouts=_until_pods_are_gone(workloads),
        ),
    )


def _until_pods_are_gone(workloads: Sequence[Workload]) -> pulumi.CustomTimeouts:
    """The timeout for the deletion of the object that created the workloads.

    Its finalizer deletes the workloads first. The default timeout of Pulumi is ten minutes, and a
    pod may need longer for its longest request.
    """
    longest = max(
        (grace_period_seconds(workload.container.timeouts) for workload in workloads), default=0
    )
    return pulumi.CustomTimeouts(delete=f"{_PRUNE_SECONDS + longest}s")


def _wants_key(gitops: GitOps) -> bool:
    return gitops.repository.startswith("ssh://")
