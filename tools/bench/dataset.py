"""Own the rows of the benchmark: the same ones in every run, on every database."""

from __future__ import annotations

import random
import warnings
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from models import Author, Base, Book
from sqlalchemy import Engine, insert
from sqlalchemy.schema import CreateIndex, CreateTable

AUTHORS = 1_000
BOOKS = 100_000
_SEED = 20_240_501
_FIRST_DAY = date(1950, 1, 1)
_DAYS = 27_000
_WORDS = ("amber", "bridge", "cellar", "delta", "ember", "forest", "garden", "harbour", "island", "juniper", "kite")
_COUNTRIES = ("Brazil", "Chile", "Denmark", "Estonia", "Finland", "Ghana", "India", "Japan")


def fill(engine: Engine) -> None:
    """Create the tables and write all rows in one transaction.

    Args:
        engine: Engine on an empty database.
    """
    quiet_decimals()
    _create_tables(engine)
    dice = random.Random(_SEED)  # noqa: S311 - the same rows in every run are what is wanted
    with engine.begin() as connection:
        connection.execute(insert(Author), _author_rows(dice))
        connection.execute(insert(Book), _book_rows(dice))


def _create_tables(engine: Engine) -> None:
    """Create tables, then indices in the order of their columns.

    `create_all` takes the indices out of a set, in another order in each process. SQLite counts rows by the smallest
    index, of equal ones by the youngest, and one of them does not fit its cache: the same count would take 16 or 400
    microseconds, run by run. The youngest is now the one on `author_id`, which fits.
    """
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(CreateTable(table))
            positions = {column.name: position for position, column in enumerate(table.columns)}
            for index in sorted(table.indexes, key=lambda index: positions[index.columns[0].name]):
                connection.execute(CreateIndex(index))


def quiet_decimals() -> None:
    """Silence the note that SQLite keeps decimals as floats.

    Two digits after the point survive the way through a float, and every answer is compared with the rows.
    """
    warnings.filterwarnings("ignore", message=r".*does \*not\* support Decimal objects natively")


def _author_rows(dice: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "name": f"{dice.choice(_WORDS)} {dice.choice(_WORDS)} {number}".title(),
            "country": dice.choice(_COUNTRIES),
            "born": _FIRST_DAY - timedelta(days=dice.randrange(_DAYS)),
        }
        for number in range(1, AUTHORS + 1)
    ]


def _book_rows(dice: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "title": f"The {dice.choice(_WORDS)} and the {dice.choice(_WORDS)}, volume {number}",
            "isbn": f"978{number:010d}",
            "price": Decimal(dice.randrange(10_000)) / 100,
            "published": _FIRST_DAY + timedelta(days=dice.randrange(_DAYS)),
            "pages": dice.randrange(40, 1_200),
            "in_print": dice.random() < 0.7,
            "author_id": dice.randrange(1, AUTHORS + 1),
        }
        for number in range(1, BOOKS + 1)
    ]
