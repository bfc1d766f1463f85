import re
from datetime import date
from decimal import Decimal

import pytest

from core.costs.prices import Price, parse, price, price_table

_TWO = """
region: us-east-1
prices:
  - id: node
    item: A node
    usd: "0.0816"
    times: "0.5"
    unit: vCPU-hour
    date: 2026-11-22
    source: a list
  - id: fee
    item: A fee
    of: node
    times: "0.12"
    unit: vCPU-hour
    date: 2026-11-20
    source: another list
"""


def test_a_price_is_the_listed_one_or_an_earlier_one_times_its_factor():
    table = parse(_TWO)
    assert list(table.prices.items()) == [
        (
            "node",
            Price(
                item="A node",
                usd=Decimal("0.0408"),
                unit="vCPU-hour",
                date=date(2026, 11, 22),
                source="a list",
            ),
        ),
        (
            "fee",
            Price(
                item="A fee",
                usd=Decimal("0.004896"),
                unit="vCPU-hour",
                date=date(2026, 11, 20),
                source="another list",
            ),
        ),
    ]


def test_the_table_is_as_old_as_its_oldest_price():
    assert str(parse(_TWO)) == "list prices of us-east-1 as of 2026-11-20"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    source: a list\n", "", r"prices\.0\.source\n.*required"),
        ("region: us-east-1\n", "", r"region\n.*required"),
        ("    item: A node\n", '    item: ""\n', r"prices\.0\.item\n"),
        ("    source: a list\n", "    sources: a list\n", r"prices\.0\.sources\n.*not permitted"),
        ("region: us-east-1\n", "region: us-east-1\ncurrency: USD\n", r"currency\n.*not permitted"),
        ('usd: "0.0816"', "usd: 0.0816", r"prices\.0\.usd\n.*valid string"),
        ('usd: "0.0816"', 'usd: "1e3"', r"prices\.0\.usd\n.*pattern"),
        ('usd: "0.0816"', 'usd: "0.00"', r"prices\.0\.usd\n.*more than zero"),
        ('times: "0.5"', 'times: "-1"', r"prices\.0\.times\n.*pattern"),
        ("date: 2026-11-22", "date: last year", r"prices\.0\.date\n.*date"),
        ('    usd: "0.0816"\n', "", r"either `usd` or `of`"),
        ("    of: node\n", '    of: node\n    usd: "1"\n', r"either `usd` or `of`"),
        ("id: fee", "id: node", r"^two prices have the id 'node'$"),
        ("of: node", "of: nodes", r"^the price 'fee' is of 'nodes', which is no earlier price$"),
        ("of: node", "of: fee", r"^the price 'fee' is of 'fee', which is no earlier price$"),
    ],
)
def test_a_table_with_an_error_is_refused(old: str, new: str, message: str):
    assert old in _TWO
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        parse(_TWO.replace(old, new, 1))


def test_a_missing_price_is_named():
    with pytest.raises(LookupError, match=r"^prices\.yaml has no price with the id 'gold'$"):
        price("gold")


def test_the_prices_of_the_program_are_valid():
    assert price_table().prices
    assert price_table() is price_table()
