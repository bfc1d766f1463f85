"""The cloud's file: objects, claims, links and transactions."""

import sqlite3
import threading
from typing import Any

import pytest

from sandbox.cloud.store import Cloud, StoredResource, TakenError


def stored(id_: str, **changes: Any) -> StoredResource:
    fields: dict[str, Any] = {
        "provider": "aws",
        "type": "t",
        "id": id_,
        "inputs": {"a": 1},
        "properties": {"a": 1, "b": [True, None]},
        **changes,
    }
    return StoredResource(**fields)


def test_a_stored_object_is_read_by_another_connection(cloud: Cloud):
    cloud.put(stored("one"))
    other = Cloud(cloud.path)
    found = other.get("aws", "t", "one")
    other.close()
    assert found is not None
    assert (found.inputs, found.properties) == ({"a": 1}, {"a": 1, "b": [True, None]})
    assert found.created > 0


def test_objects_are_listed_by_provider_and_type_in_creation_order(cloud: Cloud):
    cloud.put(stored("one"))
    cloud.put(stored("two", type="u"))
    cloud.put(stored("three", provider="kubernetes"))
    cloud.put(stored("one", properties={"a": 2}))
    assert [t.id for t in cloud.list()] == ["one", "two", "three"]
    assert [t.id for t in cloud.list("aws")] == ["one", "two"]
    assert [t.id for t in cloud.list("aws", "u")] == ["two"]


def test_a_claim_belongs_to_one_object_and_is_free_after_its_deletion(cloud: Cloud):
    cloud.put(stored("one", claims=["name"]))
    with pytest.raises(TakenError, match="name is taken by one") as refusal:
        cloud.put(stored("two", claims=["name"]))
    assert (refusal.value.claim, refusal.value.owner) == ("name", "one")
    assert cloud.get("aws", "t", "two") is None
    cloud.put(stored("one", claims=["name"]))  # a new version of the owner itself
    assert cloud.delete("aws", "t", "one") is True
    assert cloud.delete("aws", "t", "one") is False
    cloud.put(stored("two", claims=["name"]))


def test_a_new_object_does_not_take_the_claim_of_one_with_its_own_id(cloud: Cloud):
    cloud.put(stored("one", claims=["name"]), new=True)
    with pytest.raises(TakenError):
        cloud.put(stored("one", claims=["name"]), new=True)


def test_objects_are_found_by_id_and_handles_and_their_users_by_links(cloud: Cloud):
    cloud.put(stored("one", handles=["arn:one"]))
    cloud.put(stored("two", links=[("a.b", "arn:one")]))
    cloud.put(stored("three", links=[("c", "one"), ("self", "three")]))
    assert [t.id for t in cloud.find("arn:one")] == ["one"]
    assert [t.id for t in cloud.find("one")] == ["one"]
    users = [(path, t.id) for path, t in cloud.users("aws", "t", "one")]
    assert sorted(users) == [("a.b", "two"), ("c", "three")]
    assert cloud.users("aws", "t", "three") == []


def test_an_edit_changes_adds_and_takes_away_properties_only(cloud: Cloud):
    cloud.put(stored("one", claims=["name"]))
    cloud.edit("aws", "t", "one", {"a": None, "b": 3, "c": 4})
    found = cloud.get("aws", "t", "one")
    assert found is not None
    assert (found.inputs, found.properties) == ({"a": 1}, {"b": 3, "c": 4})
    with pytest.raises(KeyError):
        cloud.edit("aws", "t", "nobody", {})


def test_a_row_deleted_with_any_sqlite_client_frees_its_claims_and_handles(cloud: Cloud):
    cloud.put(stored("one", claims=["name"], handles=["h"], links=[("p", "two")]))
    client = sqlite3.connect(cloud.path)
    client.execute("DELETE FROM objects WHERE id = 'one'")
    client.commit()
    counts = [
        client.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - literals
        for table in ("objects", "claims", "handles", "links")
    ]
    client.close()
    assert counts == [0, 0, 0, 0]
    cloud.put(stored("two", claims=["name"]))


def test_a_failed_transaction_is_rolled_back(cloud: Cloud):
    def fail() -> None:
        with cloud.transaction():
            cloud.put(stored("one"))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert cloud.list() == []


def test_counters_are_shared_by_threads(cloud: Cloud):
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(cloud.count("calls"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 21))
    assert cloud.count("others") == 1
