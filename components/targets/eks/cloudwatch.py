"""The configuration of CloudWatch: metrics of pods, and a log group for each workload."""

from core.resolved import ResolvedFleet

_POSITIONS = "/var/fluent-bit/state"

# Logs of other pods are processed as in the add-on's default file of this name (github.com/
# aws-observability/helm-charts, amazon-cloudwatch-observability, values.yaml, extraFiles). The pods
# of the fleet write one JSON object per line. It is sent to CloudWatch unchanged, so that the
# metric filters of errors can read the level.
_PIPELINE = """\
[INPUT]
  Name                tail
  Tag                 fleet.*
  Path                {own}
  multiline.parser    cri
  DB                  {positions}/flb_fleet.db
  Mem_Buf_Limit       50MB
  Skip_Long_Lines     On
  Refresh_Interval    10
  Rotate_Wait         30
  storage.type        filesystem
[FILTER]
  Name                kubernetes
  Match               fleet.*
  Kube_URL            https://kubernetes.default.svc:443
  Kube_Tag_Prefix     fleet.var.log.containers.
  Merge_Log           Off
  Labels              Off
  Annotations         Off
  Use_Kubelet         On
  Kubelet_Port        10250
  Buffer_Size         0
[OUTPUT]
  Name                cloudwatch_logs
  Match               fleet.*
  region              ${{AWS_REGION}}
  log_group_name      /aws/containerinsights/${{CLUSTER_NAME}}/application
  log_group_template  {groups}/$kubernetes['container_name']
  log_stream_prefix   pods-
  log_stream_template $kubernetes['pod_name']
  log_key             log
  auto_create_group   false
[INPUT]
  Name                tail
  Tag                 application.*
  Exclude_Path        {own}
  Path                /var/log/containers/*.log
  multiline.parser    docker, cri
  DB                  {positions}/flb_container.db
  Mem_Buf_Limit       50MB
  Skip_Long_Lines     On
  Refresh_Interval    10
  Rotate_Wait         30
  storage.type        filesystem
[FILTER]
  Name                kubernetes
  Match               application.*
  Kube_URL            https://kubernetes.default.svc:443
  Kube_Tag_Prefix     application.var.log.containers.
  Merge_Log           On
  Merge_Log_Key       log_processed
  Labels              Off
  Annotations         Off
  Use_Kubelet         On
  Kubelet_Port        10250
  Buffer_Size         0
[OUTPUT]
  Name                cloudwatch_logs
  Match               application.*
  region              ${{AWS_REGION}}
  log_group_name      /aws/containerinsights/${{CLUSTER_NAME}}/application
  log_stream_prefix   ${{HOST_NAME}}-
  auto_create_group   false
"""


def observability(fleet: ResolvedFleet) -> dict[str, object]:
    """The configuration of the add-on `amazon-cloudwatch-observability`.

    It collects the metrics of the alarms. Injection of containers, which is on by default, is
    turned off, because the namespaces do not admit these containers.

    A container has the name of its workload, and the name of its log file contains the namespace.
    Fluent Bit selects the fleet's logs, and the log group of each, by these names.

    Args:
        fleet: The fleet.
    """
    own = ",".join(f"/var/log/containers/*_{namespace}_*.log" for namespace in fleet.namespaces)
    pipeline = _PIPELINE.format(
        own=own,
        positions=_POSITIONS,
        groups=fleet.stack.path,
    )
    return {
        "agent": {
            "config": {
                "logs": {"metrics_collected": {"kubernetes": {"enhanced_container_insights": True}}}
            }
        },
        "manager": {"applicationSignals": {"autoMonitor": {"monitorAllServices": False}}},
        "containerLogs": {
            "enabled": True,
            "fluentBit": {"config": {"extraFiles": {"application-log.conf": pipeline}}},
        },
    }
