"""The random provider: drawn values, refused inputs and replacements."""

import base64
import string
from typing import Any

import pytest

from sandbox.cloud.store import Cloud
from sandbox.engine.provider import Call, Change, Context
from sandbox.providers.random.provider import PROVIDER
from sandbox.values.wire import UNKNOWN

PASSWORD = "random:index/randomPassword:RandomPassword"
STRING = "random:index/randomString:RandomString"
BYTES = "random:index/randomBytes:RandomBytes"
ID = "random:index/randomId:RandomId"
PET = "random:index/randomPet:RandomPet"
INTEGER = "random:index/randomInteger:RandomInteger"
UUID = "random:index/randomUuid:RandomUuid"
SHUFFLE = "random:index/randomShuffle:RandomShuffle"


@pytest.fixture
def context(cloud: Cloud) -> Context:
    return Context(cloud=cloud, config={}, warn=lambda _, text: None)


def call(type_: str, inputs: dict[str, Any], **more: Any) -> Call:
    return Call(type=type_, urn=f"urn:pulumi:d::p::{type_}::it", name="it", inputs=inputs, **more)


def draw(context: Context, type_: str, **inputs: Any) -> dict[str, Any]:
    wanted = call(type_, inputs)
    assert PROVIDER.check(context, wanted).failures == []
    made = PROVIDER.create(context, wanted)
    return {**made.properties, "id": made.id}


def test_a_password_has_its_length_and_the_classes_that_were_asked_for(context: Context):
    result = draw(context, PASSWORD, length=24, special=False, minUpper=5, minNumeric=5)["result"]
    assert len(result) == 24
    assert set(result) <= set(string.ascii_letters + string.digits)
    assert sum(letter in string.ascii_uppercase for letter in result) >= 5
    assert sum(letter in string.digits for letter in result) >= 5


def test_special_characters_can_be_overridden(context: Context):
    result = draw(
        context, STRING, length=50, lower=False, upper=False, numeric=False, overrideSpecial="_~"
    )["result"]
    assert set(result) == {"_", "~"}


def test_bytes_are_the_same_in_both_spellings(context: Context):
    made = draw(context, BYTES, length=32)
    assert base64.b64decode(made["base64"]) == bytes.fromhex(made["hex"])
    assert len(bytes.fromhex(made["hex"])) == 32


def test_an_id_is_one_number_in_four_spellings(context: Context):
    made = draw(context, ID, byteLength=8)
    assert int(made["hex"], 16) == int(made["dec"])
    assert base64.b64decode(made["b64Std"]) == bytes.fromhex(made["hex"])
    assert made["id"] == made["b64Url"]


def test_other_draws_are_of_their_kind(context: Context):
    assert len(draw(context, PET, length=3, prefix="my")["id"].split("-")) == 4
    assert 5 <= draw(context, INTEGER, min=5, max=6)["result"] <= 6
    assert len(draw(context, UUID)["result"]) == 36
    assert sorted(draw(context, SHUFFLE, inputs=["a", "b"])["results"]) == ["a", "b"]
    assert len(draw(context, SHUFFLE, inputs=["a", "b"], resultCount=1)["results"]) == 1


def test_two_draws_differ(context: Context):
    assert draw(context, BYTES, length=32)["hex"] != draw(context, BYTES, length=32)["hex"]


@pytest.mark.parametrize(
    ("type_", "inputs", "path", "says"),
    [
        (PASSWORD, {}, ("length",), "length is missing; it is required"),
        (PASSWORD, {"length": 0}, ("length",), "0 is below the minimum of 1"),
        (PASSWORD, {"length": 4, "minUpper": 5}, ("length",), "4 is less than the 5"),
        (PASSWORD, {"length": "x"}, ("length",), "'x' is not an integer"),
        (PASSWORD, {"length": 9, "size": 9}, ("size",), "size is not a property"),
        (ID, {"byteLength": 0}, ("byteLength",), "0 is below the minimum of 1"),
        (INTEGER, {"min": 2, "max": 1}, ("min",), "2 is above max, 1"),
        ("random:index/dice:Dice", {}, (), "the sandbox does not support this type"),
    ],
)
def test_wrong_inputs_are_refused(
    context: Context, type_: str, inputs: dict[str, Any], path: Any, says: str
):
    failures = PROVIDER.check(context, call(type_, inputs)).failures
    assert [failure.path for failure in failures] == [path]
    assert says in failures[0].reason


def test_a_preview_draws_nothing(context: Context):
    made = PROVIDER.create(context, call(PASSWORD, {"length": 9}, preview=True))
    assert made.properties["length"] == 9
    assert made.properties["result"] is UNKNOWN


def test_a_drawn_value_stays_until_an_input_changes(context: Context):
    same = call(PASSWORD, {"length": 9}, old_inputs={"length": 9}, properties={"result": "r"})
    assert PROVIDER.diff(context, same).changes == {}
    found = PROVIDER.read(context, same)
    assert found is not None
    assert found.properties == {"result": "r"}
    other = call(PASSWORD, {"length": 10}, old_inputs={"length": 9})
    assert PROVIDER.diff(context, other).changes == {("length",): Change.UPDATE_REPLACE}
