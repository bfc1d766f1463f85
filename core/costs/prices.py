"""The prices, from `prices.yaml`. The file explains its keys.

The file is read and validated when the first price is needed, and then kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_FILE: Final = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """One price.

    Attributes:
        item: What it is for, as the cost tables show it.
        usd: US dollars per unit.
        unit: The unit.
        date: When the source was read.
        source: Where the price was found.
    """

    item: str
    usd: Decimal
    unit: str
    date: date
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTable:
    """All prices.

    Attributes:
        region: The AWS region that they apply to.
        prices: Each price by its id, in the order of the file.
    """

    region: str
    prices: Mapping[str, Price]

    @property
    def as_of(self) -> date:
        """The date of the oldest price."""
        return min(price.date for price in self.prices.values())

    def __str__(self) -> str:
        """Where and when the prices apply, for the text beside a cost table."""
        return f"list prices of {self.region} as of {self.as_of:%Y-%m-%d}"


def _positive(text: str) -> str:
    if Decimal(text) <= 0:
        raise ValueError("must be more than zero")
    return text


_Text = Annotated[str, Field(min_length=1)]
_Number = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$"), AfterValidator(_positive)]


class _Entry(BaseModel):
    """A price as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: _Text
    item: _Text
    usd: _Number | None = None
    of: str | None = None
    times: _Number = "1"
    unit: _Text
    date: date
    source: _Text

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.usd is None) == (self.of is None):
            raise ValueError("a price has either `usd` or `of`")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    region: _Text
    prices: Annotated[list[_Entry], Field(min_length=1)]


def parse(text: str) -> PriceTable:
    """Validate a price file and compute each price per unit.

    Args:
        text: The file's text.

    Raises:
        ValueError: If a key is unknown or missing, a value is not valid, an id occurs twice, or
            `of` does not name an earlier price.
    """
    file = _File.model_validate(yaml.safe_load(text))
    prices: dict[str, Price] = {}
    for entry in file.prices:
        if entry.id in prices:
            raise ValueError(f"two prices have the id {entry.id!r}")
        prices[entry.id] = Price(
            item=entry.item,
            usd=_listed_usd(entry, prices) * Decimal(entry.times),
            unit=entry.unit,
            date=entry.date,
            source=entry.source,
        )
    return PriceTable(region=file.region, prices=prices)


def _listed_usd(entry: _Entry, earlier: Mapping[str, Price]) -> Decimal:
    if entry.usd is not None:
        return Decimal(entry.usd)
    found = earlier.get(entry.of or "")
    if found is None:
        raise ValueError(f"the price {entry.id!r} is of {entry.of!r}, which is no earlier price")
    return found.usd


@cache
def price_table() -> PriceTable:
    """All prices of the program."""
    return parse(_FILE.read_text(encoding="utf-8"))


def price(price_id: str) -> Price:
    """One price of the program.

    Raises:
        LookupError: If the table does not have it.
    """
    found = price_table().prices.get(price_id)
    if found is None:
        raise LookupError(f"{_FILE.name} has no price with the id {price_id!r}")
    return found
