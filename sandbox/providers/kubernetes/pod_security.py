"""The Pod Security Standards.

Source: "Pod Security Standards" of the Kubernetes documentation, version 1.36; the messages are
those of kubernetes/pod-security-admission (policy/check_*.go).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sandbox.values.tree import part, parts

ENFORCE = "pod-security.kubernetes.io/enforce"
"""The label of a namespace with the standard for its pods."""
LEVELS = ("privileged", "baseline", "restricted")
"""The standards, from the least to the most restrictive."""

_BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX_TYPES = frozenset(
    {"", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"}
)
_PROFILES = frozenset({"Localhost", "RuntimeDefault"})
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "name",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

_Pod = Mapping[str, Any]
_Container = Mapping[str, Any]


def violations(level: str, pod: _Pod) -> list[str]:
    """The violations of a standard by a pod.

    Args:
        level: the standard; an unknown one counts as the strictest.
        pod: the pod's spec.

    Returns:
        The violations, in the API server's wording.
    """
    if level == "privileged":
        return []
    checks = _BASELINE if level == "baseline" else (*_BASELINE, *_RESTRICTED)
    return [text for check in checks for text in check(pod)]


def containers(pod: _Pod) -> list[_Container]:
    """All containers of a pod, including init and ephemeral containers."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [one for kind in kinds for one in parts(pod, kind)]


def _context(of: Mapping[str, Any]) -> Mapping[str, Any]:
    return part(of, "securityContext")


def _named(found: Sequence[_Container]) -> str:
    names = ", ".join(f'"{one["name"]}"' for one in found)
    return f"container {names}" if len(found) == 1 else f"containers {names}"


def _host_namespaces(pod: _Pod) -> Iterator[str]:
    used = [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    if used:
        yield f"host namespaces ({', '.join(f'{key}=true' for key in used)})"


def _privileged(pod: _Pod) -> Iterator[str]:
    if bad := [one for one in containers(pod) if _context(one).get("privileged")]:
        yield f"privileged ({_named(bad)} must not set securityContext.privileged=true)"


def _baseline_capabilities(pod: _Pod) -> Iterator[str]:
    yield from _added(pod, _BASELINE_CAPABILITIES, "non-default capabilities")


def _added(pod: _Pod, allowed: frozenset[str], title: str) -> Iterator[str]:
    def extra(container: _Container) -> list[str]:
        added: Sequence[str] = part(container, "securityContext", "capabilities").get("add") or ()
        return [one for one in added if one not in allowed]

    if bad := [one for one in containers(pod) if extra(one)]:
        names = ", ".join(f'"{name}"' for name in sorted({n for one in bad for n in extra(one)}))
        yield (
            f"{title} ({_named(bad)} must not include {names} in securityContext.capabilities.add)"
        )


def _host_paths(pod: _Pod) -> Iterator[str]:
    if bad := [one["name"] for one in parts(pod, "volumes") if "hostPath" in one]:
        yield f"hostPath volumes ({_volumes(bad)})"


def _volumes(names: Sequence[str]) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f"volume {listed}" if len(names) == 1 else f"volumes {listed}"


def _host_ports(pod: _Pod) -> Iterator[str]:
    def used(container: _Container) -> list[int]:
        return [port["hostPort"] for port in parts(container, "ports") if port.get("hostPort")]

    if bad := [one for one in containers(pod) if used(one)]:
        ports = ", ".join(str(port) for one in bad for port in used(one))
        yield f"hostPort ({_named(bad)} uses hostPort {ports})"


def _host_probes(pod: _Pod) -> Iterator[str]:
    def calls(container: _Container) -> bool:
        hooks = part(container, "lifecycle")
        handlers = [part(container, probe) for probe in _PROBES]
        handlers += [part(hooks, hook) for hook in hooks]
        actions = [part(one, kind) for one in handlers for kind in ("httpGet", "tcpSocket")]
        return any(action.get("host") for action in actions)

    if bad := [one for one in containers(pod) if calls(one)]:
        yield f"probe or lifecycle host ({_named(bad)} must not set host)"


def _app_armor(pod: _Pod) -> Iterator[str]:
    for one in (pod, *containers(pod)):
        type_ = part(one, "securityContext", "appArmorProfile").get("type")
        if type_ and type_ not in _PROFILES:
            yield f'forbidden AppArmor profile (appArmorProfile.type "{type_}")'


def _se_linux(pod: _Pod) -> Iterator[str]:
    for one in (pod, *containers(pod)):
        options = part(one, "securityContext", "seLinuxOptions")
        if options.get("type", "") not in _SELINUX_TYPES:
            yield f'seLinuxOptions (type "{options["type"]}")'
        if options.get("user") or options.get("role"):
            yield "seLinuxOptions (user or role may not be set)"


def _proc_mount(pod: _Pod) -> Iterator[str]:
    mounts = {one["name"]: _context(one).get("procMount") for one in containers(pod)}
    for name, mount in mounts.items():
        if mount not in (None, "Default"):
            wrong = f'must not set securityContext.procMount to "{mount}"'
            yield f'procMount (container "{name}" {wrong})'


def _sysctls(pod: _Pod) -> Iterator[str]:
    names = [one["name"] for one in parts(_context(pod), "sysctls")]
    if bad := [name for name in names if name not in _SAFE_SYSCTLS]:
        yield f"forbidden sysctls ({', '.join(bad)})"


def _volume_types(pod: _Pod) -> Iterator[str]:
    for volume in parts(pod, "volumes"):
        if bad := sorted(set(volume) - _VOLUMES):
            name, kind = volume["name"], bad[0]
            yield f'restricted volume types (volume "{name}" uses restricted volume type "{kind}")'


def _escalation(pod: _Pod) -> Iterator[str]:
    key = "allowPrivilegeEscalation"
    if bad := [one for one in containers(pod) if _context(one).get(key) is not False]:
        yield f"{key} != false ({_named(bad)} must set securityContext.{key}=false)"


def _dropped_capabilities(pod: _Pod) -> Iterator[str]:
    def keeps(container: _Container) -> bool:
        dropped = part(container, "securityContext", "capabilities").get("drop") or ()
        return "ALL" not in dropped

    if bad := [one for one in containers(pod) if keeps(one)]:
        yield (
            f"unrestricted capabilities ({_named(bad)} must set "
            'securityContext.capabilities.drop=["ALL"])'
        )
    yield from _added(pod, frozenset({"NET_BIND_SERVICE"}), "unrestricted capabilities")


def _non_root(pod: _Pod) -> Iterator[str]:
    whole = _context(pod).get("runAsNonRoot")
    values = [(one, _context(one).get("runAsNonRoot", whole)) for one in containers(pod)]
    if bad := [one for one, value in values if value is not True]:
        key = "securityContext.runAsNonRoot"
        yield f"runAsNonRoot != true (pod or {_named(bad)} must set {key}=true)"


def _root_user(pod: _Pod) -> Iterator[str]:
    if _context(pod).get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"
    if bad := [one for one in containers(pod) if _context(one).get("runAsUser") == 0]:
        yield f"runAsUser=0 ({_named(bad)} must not set runAsUser=0)"


def _seccomp(pod: _Pod) -> Iterator[str]:
    whole = part(pod, "securityContext", "seccompProfile").get("type")
    path = ("securityContext", "seccompProfile")
    types = [(one, part(one, *path).get("type", whole)) for one in containers(pod)]
    if bad := [one for one, type_ in types if type_ not in _PROFILES]:
        yield (
            f"seccompProfile (pod or {_named(bad)} must set securityContext.seccompProfile.type to "
            '"RuntimeDefault" or "Localhost")'
        )


_BASELINE: Sequence[Callable[[_Pod], Iterator[str]]] = (
    _host_namespaces,
    _privileged,
    _baseline_capabilities,
    _host_paths,
    _host_ports,
    _host_probes,
    _app_armor,
    _se_linux,
    _proc_mount,
    _sysctls,
)
_RESTRICTED: Sequence[Callable[[_Pod], Iterator[str]]] = (
    _volume_types,
    _escalation,
    _dropped_capabilities,
    _non_root,
    _root_user,
    _seccomp,
)
