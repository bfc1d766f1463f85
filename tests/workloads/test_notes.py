import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from common.settings import SettingError
from tests.workloads.support import (
    call_body,
    call_headers,
    http_client,
    mcp_client,
    structured,
    text,
)
from workloads.notes import server, store
from workloads.notes.store import Notebook, new_note

pytestmark = pytest.mark.anyio

BAD_NAMES = [
    "",
    ".",
    "..",
    "../outside",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a.b",
    "a\n",
    "a\0",
    "-a",
    "Upper",
    "é",
    "n" * 65,
]


def book(folder: Path, key: bytes | None = None) -> Notebook:
    return Notebook(folder=folder, key=key)


async def called(folder: Path, tool: str, **arguments: Any) -> Any:
    async with mcp_client(server.build({"FILES_DIR": str(folder)})) as client:
        result = await client.call_tool(tool, arguments)
    return structured(result)


async def refused(folder: Path, tool: str, **arguments: Any) -> str:
    async with mcp_client(server.build({"FILES_DIR": str(folder)})) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    return text(result)


async def test_it_offers_the_five_tools(tmp_path: Path) -> None:
    async with mcp_client(server.build({"FILES_DIR": str(tmp_path)})) as client:
        listed = await client.list_tools()
    names = [tool.name for tool in listed.tools]
    assert names == ["add_note", "list_notes", "read_note", "search_notes", "delete_note"]


async def test_a_note_is_read_back_by_another_server_over_the_same_folder(tmp_path: Path) -> None:
    await called(tmp_path, "add_note", name="today", text="buy milk ☕\n")
    read = await called(tmp_path, "read_note", name="today")
    assert read["name"] == "today"
    assert read["text"] == "buy milk ☕\n"
    assert read["written"].endswith("+00:00")
    assert await called(tmp_path, "list_notes") == {"result": ["today"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["today.json"]


async def test_an_existing_note_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    await called(tmp_path, "add_note", name="a", text="one")
    assert "already" in await refused(tmp_path, "add_note", name="a", text="two")
    assert (await called(tmp_path, "read_note", name="a"))["text"] == "one"
    await called(tmp_path, "add_note", name="a", text="three", replace=True)
    assert (await called(tmp_path, "read_note", name="a"))["text"] == "three"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json"]


async def test_a_deleted_note_is_gone(tmp_path: Path) -> None:
    await called(tmp_path, "add_note", name="a", text="one")
    assert await called(tmp_path, "delete_note", name="a") == {"result": "deleted note a"}
    assert list(tmp_path.iterdir()) == []
    assert "there is no note 'a'" in await refused(tmp_path, "read_note", name="a")
    assert "there is no note 'a'" in await refused(tmp_path, "delete_note", name="a")


async def test_search_finds_by_text_and_by_name_and_ignores_case(tmp_path: Path) -> None:
    notes = book(tmp_path)
    notes.save(new_note("plan", "x" * 100 + "Buy MILK today" + "y" * 100), replace=False)
    notes.save(new_note("milk-list", "eggs"), replace=False)
    notes.save(new_note("other", "nothing"), replace=False)
    found = await called(tmp_path, "search_notes", query="milk")
    assert found == {
        "hits": [
            {"name": "milk-list", "excerpt": "eggs"},
            {"name": "plan", "excerpt": "x" * 36 + "Buy MILK today" + "y" * 30},
        ],
        "more": False,
        "unreadable": [],
    }


async def test_search_takes_its_query_literally(tmp_path: Path) -> None:
    book(tmp_path).save(new_note("a", "1+1"), replace=False)
    found = await called(tmp_path, "search_notes", query="1+1")
    assert [hit["name"] for hit in found["hits"]] == ["a"]
    assert (await called(tmp_path, "search_notes", query="..."))["hits"] == []


@pytest.mark.parametrize("count", [50, 51])
async def test_search_shows_fifty_hits_and_says_if_there_are_more(
    tmp_path: Path, count: int
) -> None:
    for number in range(count):
        book(tmp_path).save(new_note(f"n{number}", "same"), replace=False)
    found = await called(tmp_path, "search_notes", query="same")
    assert len(found["hits"]) == 50
    assert found["more"] is (count > 50)


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_that_could_mean_a_path_is_refused_by_the_tools(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "notes"
    (tmp_path / "outside.json").write_text('{"text": "t", "written": "w", "signature": ""}')
    for tool, more in (("add_note", {"text": "t"}), ("read_note", {}), ("delete_note", {})):
        error = await refused(folder, tool, name=name, **more)
        assert "name" in error
    assert list(folder.iterdir()) == []
    assert (tmp_path / "outside.json").exists()


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_mean_a_path_is_refused_by_the_store_itself(
    tmp_path: Path, name: str
) -> None:
    notes = book(tmp_path)
    with pytest.raises(ToolError, match="is no name for a note"):
        notes.save(new_note(name, "t"), replace=True)
    with pytest.raises(ToolError, match="is no name for a note"):
        notes.load(name)
    with pytest.raises(ToolError, match="is no name for a note"):
        notes.delete(name)


@given(st.text(alphabet="a0-_./\\\n\0A", max_size=66))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("notes")
    try:
        path = book(folder)._path(name)
    except ToolError:
        assert not name or not name[0].isalnum() or set(name) & set("./\\\n\0A") or len(name) > 64
    else:
        assert path.parent == folder
        assert path.name == f"{name}.json"


def test_a_name_may_have_64_characters(tmp_path: Path) -> None:
    book(tmp_path).save(new_note("n" * 64, "t"), replace=False)
    assert book(tmp_path).names() == ["n" * 64]


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text('{"text": "elsewhere", "written": "w", "signature": ""}')
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.json").symlink_to(target)
    with pytest.raises(ToolError, match="cannot be read"):
        book(folder).load("a")


def test_a_folder_under_a_note_s_name_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ToolError, match="cannot be read"):
        book(tmp_path).load("a")


@pytest.mark.parametrize("excess", [0, 1])
def test_a_text_has_at_most_64_kib_of_utf_8(tmp_path: Path, excess: int) -> None:
    note = new_note("a", "é" * (store.MAX_TEXT_BYTES // 2) + "x" * excess)
    if excess:
        with pytest.raises(ToolError, match="65537 bytes long; 65536 are allowed"):
            book(tmp_path).save(note, replace=False)
        assert book(tmp_path).names() == []
    else:
        book(tmp_path).save(note, replace=False)
        assert book(tmp_path).load("a") == note


def test_a_full_folder_takes_no_new_note_but_lets_one_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_NOTES", 2)
    notes = book(tmp_path)
    notes.save(new_note("a", "1"), replace=False)
    notes.save(new_note("b", "2"), replace=False)
    with pytest.raises(ToolError, match="there are 2 notes already"):
        notes.save(new_note("c", "3"), replace=False)
    notes.save(new_note("b", "new"), replace=True)
    assert notes.load("b").text == "new"


def test_a_failed_write_leaves_the_old_note_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = book(tmp_path)
    notes.save(new_note("a", "old"), replace=False)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            notes.save(new_note("a", "new"), replace=True)
    assert notes.load("a").text == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_signed_note_that_was_changed_is_refused(tmp_path: Path) -> None:
    notes = book(tmp_path, b"key")
    notes.save(new_note("a", "pay 1"), replace=False)
    assert notes.load("a").text == "pay 1"
    path = tmp_path / "a.json"
    path.write_text(path.read_text().replace("pay 1", "pay 9"))
    with pytest.raises(ToolError, match="changed by something other than this server"):
        notes.load("a")


def test_a_signed_note_under_another_name_is_refused(tmp_path: Path) -> None:
    notes = book(tmp_path, b"key")
    notes.save(new_note("a", "one"), replace=False)
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    with pytest.raises(ToolError, match="changed by something other"):
        notes.load("b")


@pytest.mark.parametrize("writer", [None, b"other"])
def test_a_note_without_this_key_s_signature_is_refused(
    tmp_path: Path, writer: bytes | None
) -> None:
    book(tmp_path, writer).save(new_note("a", "one"), replace=False)
    with pytest.raises(ToolError, match="changed by something other"):
        book(tmp_path, b"key").load("a")


async def test_the_key_comes_from_the_secret_variable(tmp_path: Path) -> None:
    env = {"FILES_DIR": str(tmp_path), "NOTES_API_KEY": "key"}
    async with mcp_client(server.build(env)) as client:
        await client.call_tool("add_note", {"name": "a", "text": "one"})
    assert book(tmp_path, b"key").load("a").text == "one"
    assert len(json.loads((tmp_path / "a.json").read_text())["signature"]) == 64


async def test_search_names_the_notes_that_it_could_not_read(tmp_path: Path) -> None:
    book(tmp_path).save(new_note("good", "milk"), replace=False)
    for name, content in (("cut", '{"text": "mi'), ("odd", "[]"), ("number", '{"text": 1}')):
        (tmp_path / f"{name}.json").write_text(content)
    found = await called(tmp_path, "search_notes", query="milk")
    assert [hit["name"] for hit in found["hits"]] == ["good"]
    assert found["unreadable"] == ["cut", "number", "odd"]
    assert "the file of note 'cut' is damaged" in await refused(tmp_path, "read_note", name="cut")


async def test_the_longest_text_fits_however_json_writes_it(tmp_path: Path) -> None:
    async with http_client(server.build({"FILES_DIR": str(tmp_path)})) as http:
        body = json.dumps(call_body("add_note", {"name": "a", "text": "\x01" * 65536}))
        assert len(body) > 6 * 65536
        headers = {**call_headers("add_note"), "Content-Type": "application/json"}
        answer = await http.post("/mcp", content=body, headers=headers)
    assert answer.status_code == 200
    assert book(tmp_path).load("a").text == "\x01" * 65536


def test_a_folder_that_cannot_be_created_fails_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"file/notes', which cannot be made a folder"):
        server.build({"FILES_DIR": str(tmp_path / "file" / "notes")})


def test_a_folder_that_is_not_writable_fails_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", Mock(return_value=False))
    with pytest.raises(SettingError, match="in which this user may not write"):
        server.build({"FILES_DIR": str(tmp_path)})


# Bounds of results: the official Python client takes 1 MiB in one event of a legacy stream.


async def results(folder: Path, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The structured results that a client of 2025-11-25 gets."""
    async with mcp_client(server.build({"FILES_DIR": str(folder)}), mode="legacy") as client:
        return [structured(await client.call_tool(tool, arguments)) for tool, arguments in calls]


@pytest.mark.parametrize("excess", [0, 1])
async def test_names_come_in_results_of_a_thousand(excess: int, tmp_path: Path) -> None:
    names = [f"{number:04}{'n' * 60}" for number in range(1000 + excess)]
    for name in names:
        (tmp_path / f"{name}.json").touch()
    first, rest = await results(tmp_path, ("list_notes", {}), ("list_notes", {"after": names[999]}))
    assert first == {"result": names[:1000]}
    assert rest == {"result": names[1000:]}


async def test_names_after_one_that_is_gone_are_those_behind_it(tmp_path: Path) -> None:
    for name in ("a", "c"):
        book(tmp_path).save(new_note(name, "x"), replace=False)
    (found,) = await results(tmp_path, ("list_notes", {"after": "b"}))
    assert found == {"result": ["c"]}


async def test_the_longest_note_arrives_however_json_writes_it(tmp_path: Path) -> None:
    longest = "\0" * store.MAX_TEXT_BYTES
    book(tmp_path).save(new_note("a", longest), replace=False)
    (read,) = await results(tmp_path, ("read_note", {"name": "a"}))
    assert read["text"] == longest


@pytest.mark.parametrize("text", ["x" * 65_537, "\0" * 1_000_000])
async def test_a_note_that_others_made_too_long_is_refused(text: str, tmp_path: Path) -> None:
    record = {"text": text, "written": "now", "signature": ""}
    (tmp_path / "a.json").write_text(json.dumps(record))
    assert "longer than 65536 bytes" in await refused(tmp_path, "read_note", name="a")
    (found,) = await results(tmp_path, ("search_notes", {"query": "x"}))
    assert found == {"hits": [], "more": False, "unreadable": ["a"]}


async def test_a_search_names_no_more_than_fifty_notes_that_it_cannot_read(tmp_path: Path) -> None:
    for number in range(51):
        (tmp_path / f"{number}.json").touch()
    (found,) = await results(tmp_path, ("search_notes", {"query": "x"}))
    assert len(found["unreadable"]) == 50
