"""The sandbox's `random` provider: random values that exist only in the engine's state.

As with the real provider, any change of an input replaces the resource, which draws a new value.
"""

import base64
import hashlib
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from sandbox.engine import sdk, shapes
from sandbox.engine.provider import (
    Call,
    Checked,
    Context,
    Difference,
    Failure,
    Made,
    Provider,
    RefusedError,
    compare,
    computed,
    main,
)
from sandbox.values.wire import Json, Unknown

VERSION = version("pulumi-random")
PACKAGE = "pulumi_random"
# The characters that Terraform's random provider counts as special.
_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_CLASSES = {
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", _SPECIAL),
}
_WORDS = ("able", "bold", "calm", "deft", "eager", "fair", "glad", "keen", "kind", "neat", "proud")
_PETS = ("bear", "crab", "crow", "deer", "dove", "finch", "hare", "lynx", "mole", "newt", "seal")
_rng = secrets.SystemRandom()


def _text(inputs: Mapping[str, Any]) -> str:
    alphabets: list[str] = []
    drawn: list[str] = []
    for name, (least, letters) in _CLASSES.items():
        if inputs.get(name, True):
            own = inputs.get("overrideSpecial") if name == "special" else None
            alphabets.append(own or letters)
            drawn += [secrets.choice(own or letters) for _ in range(inputs.get(least, 0))]
    drawn += [secrets.choice("".join(alphabets)) for _ in range(inputs["length"] - len(drawn))]
    _rng.shuffle(drawn)
    return "".join(drawn)


def _password(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    result = _text(inputs)
    # It has the format of a bcrypt hash, but does not verify a password.
    digest = base64.b64encode(hashlib.sha256(result.encode()).digest()).decode()
    return "none", {"result": result, "bcryptHash": f"$2a$10${digest.replace('=', '.')}"}


def _string(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    result = _text(inputs)
    return result, {"result": result}


def _bytes(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    drawn = secrets.token_bytes(inputs["length"])
    encoded = base64.b64encode(drawn).decode()
    return encoded, {"base64": encoded, "hex": drawn.hex()}


def _id(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    drawn = secrets.token_bytes(inputs["byteLength"])
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(drawn).decode().rstrip("=")
    return url, {
        "b64Url": prefix + url,
        "b64Std": prefix + base64.b64encode(drawn).decode(),
        "hex": prefix + drawn.hex(),
        "dec": prefix + str(int.from_bytes(drawn, "big")),
    }


def _pet(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    count = inputs.get("length", 2)
    words = [secrets.choice(_WORDS) for _ in range(count - 1)] + [secrets.choice(_PETS)]
    prefix = [inputs["prefix"]] if inputs.get("prefix") else []
    separator = inputs.get("separator", "-")
    return separator.join([*prefix, *words]), {"length": count, "separator": separator}


def _integer(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    result = _rng.randint(inputs["min"], inputs["max"])
    return str(result), {"result": result}


def _uuid(_inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    result = str(uuid.uuid4())
    return result, {"result": result}


def _shuffle(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    items = list(inputs["inputs"])
    _rng.shuffle(items)
    return "-", {"results": items[: inputs.get("resultCount", len(items))]}


_DRAW: Mapping[str, Callable[[Mapping[str, Any]], tuple[str, dict[str, Json]]]] = {
    "random:index/randomPassword:RandomPassword": _password,
    "random:index/randomString:RandomString": _string,
    "random:index/randomBytes:RandomBytes": _bytes,
    "random:index/randomId:RandomId": _id,
    "random:index/randomPet:RandomPet": _pet,
    "random:index/randomInteger:RandomInteger": _integer,
    "random:index/randomUuid:RandomUuid": _uuid,
    "random:index/randomShuffle:RandomShuffle": _shuffle,
}
_SECRET = {
    "random:index/randomPassword:RandomPassword": frozenset({"result", "bcryptHash"}),
    "random:index/randomBytes:RandomBytes": frozenset({"base64", "hex"}),
}


def check(_context: Context, call: Call) -> Checked:
    """Check the inputs' types and lengths, and that the minimum counts fit into the length."""
    if call.type not in _DRAW:
        reason = f"{call.type}: the sandbox does not support this type; known: {', '.join(_DRAW)}"
        return Checked(inputs=call.inputs, failures=[Failure(path=(), reason=reason)])
    known = sdk.resource(PACKAGE, call.type).inputs
    failures = list(shapes.errors(call.type, known, call.inputs))
    if not failures:
        failures = list(_out_of_range(call))
    return Checked(inputs=call.inputs, failures=failures)


def _out_of_range(call: Call) -> list[Failure]:
    numbers = {k: v for k, v in call.inputs.items() if not isinstance(v, Unknown)}
    for name in ("length", "byteLength"):
        if numbers.get(name, 1) < 1:
            reason = f"{call.type}: {numbers[name]} is below the minimum of 1"
            return [Failure(path=(name,), reason=reason)]
    least = sum(numbers.get(name, 0) for name, _ in _CLASSES.values())
    if least > numbers.get("length", least):
        reason = f"{call.type}: {numbers['length']} is less than the {least} that the minimums need"
        return [Failure(path=("length",), reason=reason)]
    if numbers.get("min", 0) > numbers.get("max", numbers.get("min", 0)):
        reason = f"{call.type}: {numbers['min']} is above max, {numbers['max']}"
        return [Failure(path=("min",), reason=reason)]
    return []


def diff(_context: Context, call: Call) -> Difference:
    """Any change replaces the resource."""
    return Difference(changes=compare(call.old_inputs, call.inputs, lambda _: True))


def create(_context: Context, call: Call) -> Made:
    """Draw the value."""
    if call.preview:
        outputs = sdk.resource(PACKAGE, call.type).outputs
        names = [name for name, output in outputs.items() if output.required]
        return Made(id="", properties=computed(call.inputs, names))
    id_, drawn = _DRAW[call.type](call.inputs)
    return Made(id=id_, properties={**call.inputs, **drawn})


def read(_context: Context, call: Call) -> Made | None:
    """Return the state unchanged; the value exists nowhere else."""
    return Made(id=call.id, properties=call.properties, inputs=call.old_inputs)


def update(_context: Context, call: Call) -> Mapping[str, Any]:
    """Refuse: every change replaces the resource, so the engine never calls this."""
    raise RefusedError(f"{call.type} cannot be changed in place")


def delete(_context: Context, _call: Call) -> None:
    """Nothing is stored in the cloud."""


def secret_outputs(type_: str) -> frozenset[str]:
    """The secret values that a type draws."""
    return _SECRET.get(type_, frozenset())


PROVIDER = Provider(
    name="random",
    version=VERSION,
    check=check,
    diff=diff,
    create=create,
    read=read,
    update=update,
    delete=delete,
    secret_outputs=secret_outputs,
)


def run() -> None:
    """Run the provider's process."""
    main(PROVIDER)
