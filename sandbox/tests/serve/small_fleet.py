"""`bin/sandbox serve` on a small fleet: `python -m sandbox.tests.serve.small_fleet FOLDER …`.

Each program `NAME.py` of the folder is a workload. The gateway forwards all requests to `clock`.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.cloud.store import Cloud, StoredResource
from sandbox.serve import main
from sandbox.serve.fleet import (
    Application,
    Fleet,
    Process,
    Receive,
    Scope,
    Send,
    Workloads,
    source,
)
from sandbox.serve.http.forwarding import answer, forward
from sandbox.serve.processes.images import Image
from sandbox.tests.serve.fleets import fleet

HEALTH_SECONDS = 20.0
STOP_SECONDS = 600.0


def made_cloud(folder: Path) -> Cloud:
    """A cloud with the resources that the command requires."""
    cloud = Cloud(folder / "home" / "cloud.sqlite")
    discovery = {
        "servers": {"clock": "http://clock.fleet.internal:8080/mcp"},
        "agents": {"assistant": "/agents/assistant"},
    }
    cloud.put(
        StoredResource(
            provider="aws",
            type="aws:ssm/parameter:Parameter",
            id="/fleet/dev/discovery",
            inputs={},
            properties={"name": "/fleet/dev/discovery", "value": json.dumps(discovery)},
        )
    )
    return cloud


def run(folder: Path, args: list[str]) -> int:
    """Runs the command.

    Args:
        folder: The folder with the programs.
        args: The command's arguments.

    Returns:
        Its exit status.
    """
    os.environ["SANDBOX_HOME"] = str(folder / "home")
    processes = tuple(
        Process(
            name=path.stem,
            image=path.stem,
            environment={"FOLDER": str(folder), "OWN": "deployed"},
            health_seconds=HEALTH_SECONDS if path.stem != "sick" else 0.5,
            stop_seconds=STOP_SECONDS,
            kind="task",
        )
        for path in sorted(folder.glob("*.py"))
    )
    deployed = fleet(processes=processes)

    def read(_cloud: Cloud) -> Fleet:
        return deployed

    def lay_out(_cloud: Cloud, process: Process, _home: Path) -> Image:
        return Image(
            root=folder,
            entry_point=("python", f"{process.name}.py"),
            command=(),
            environment={},
            working_folder="/",
        )

    def hosts(
        _cloud: Cloud, _home: Path, _deployed: Fleet, workloads: Workloads, _runtime: object
    ) -> Mapping[str, Application]:
        async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/source":
                await answer(send, 200, source(scope))
            else:
                await forward(scope, receive, send, base_url=workloads.url("clock") or "")

        return {"mcp.example.com": gateway}

    parts: dict[str, Any] = {"_deployed": read, "lay_out": lay_out, "_hosts": hosts}
    for name, part in parts.items():
        setattr(main, name, part)
    made_cloud(folder).close()
    return main.serve(args)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
