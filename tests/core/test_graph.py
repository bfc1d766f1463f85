from typing import Any

from core.config.model import Fleet
from core.graph import Graph, graph
from tests.core.configurations import DIGEST_URI, many

_IMAGE: dict[str, Any] = {"image": {"uri": DIGEST_URI}}


def test_the_graph_has_every_call_over_the_network_and_none_to_a_sidecar():
    fleet = Fleet.model_validate(
        {
            "servers": many(3),
            "agents": {
                "helper": {**_IMAGE, "uses": ["w0", "w1", "w2"], "sidecars": ["w1"]},
                "other": {**_IMAGE, "uses": ["w1", "w0"]},
                "alone": _IMAGE,
            },
        }
    )
    assert graph(fleet) == Graph(
        edges=(("helper", "w0"), ("helper", "w2"), ("other", "w1"), ("other", "w0")),
        callers={"w0": ("helper", "other"), "w2": ("helper",), "w1": ("other",)},
        callees={"helper": ("w0", "w2"), "other": ("w1", "w0")},
    )
