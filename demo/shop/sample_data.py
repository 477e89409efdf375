"""Rows for the shop: made up, and the same ones every time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from random import Random

from models import Category, Customer, Order, OrderItem, OrderStatus, Product, Tag
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

CUSTOMERS = 60
ORDERS = 200
TODAY = dt.date(2026, 1, 31)

FIRST_NAMES = ("Ada", "Bela", "Clara", "Dina", "Emil", "Fatima", "Grace", "Hugo", "Ines", "Jonas", "Kemal", "Lena")
LAST_NAMES = ("Ahmed", "Bauer", "Costa", "Dvorak", "Eriksen", "Fontaine", "Garcia", "Haas", "Ivanova", "Jensen")
CITIES = ("Aarhus", "Bergen", "Coimbra", "Dresden", "Ghent", "Izmir", "Lyon", "Porto", "Split", None)
TAGS = ("gift", "handmade", "new", "organic", "sale", "small", "travel", "wood")
GOODS = {
    "Kitchen": ("Bowl", "Bread Knife", "Kettle", "Ladle", "Mug", "Pepper Mill", "Teapot", "Whisk"),
    "Garden": ("Bird Feeder", "Hoe", "Lantern", "Plant Pot", "Rake", "Seed Box", "Watering Can"),
    "Office": ("Desk Lamp", "Folder", "Letter Tray", "Notebook", "Pen", "Ruler", "Stapler"),
    "Outdoors": ("Backpack", "Blanket", "Compass", "Hammock", "Head Torch", "Tent", "Vacuum Flask"),
    "Toys": ("Building Blocks", "Kite", "Puzzle", "Spinning Top", "Train", "Yo-yo"),
}
LOOKS = ("Blue", "Classic", "Green")


def fill(engine: Engine) -> None:
    """Add the rows to an empty database; one that has customers stays as it is."""
    random = Random(1847)  # noqa: S311 - the rows shall be the same every time
    with Session(engine) as session:
        if session.scalar(select(func.count()).select_from(Customer)):
            return
        products = make_products(random)
        customers = make_customers(random)
        session.add_all(products)
        session.add_all(customers)
        session.flush()
        session.add_all(make_order(random, customers, products) for _ in range(ORDERS))
        session.commit()


def make_products(random: Random) -> list[Product]:
    """Make every kind of goods in every look, with its category and tags."""
    tags = [Tag(name=name) for name in TAGS]
    return [
        Product(
            name=f"{look} {name}",
            price=Decimal(random.randint(150, 12_000)) / 100,
            in_stock=random.choice((0, 0, 3, 12, 40)),
            since=day_before(random, TODAY, 900),
            category=category,
            tags=random.sample(tags, random.randint(0, 3)),
        )
        for category, names in ((Category(name=name), names) for name, names in GOODS.items())
        for name in names
        for look in LOOKS
    ]


def make_customers(random: Random) -> list[Customer]:
    """Make customers with different addresses."""
    people = random.sample([(first, last) for first in FIRST_NAMES for last in LAST_NAMES], CUSTOMERS)
    return [
        Customer(
            first_name=first,
            last_name=last,
            email=f"{first}.{last}@example.com".lower(),
            city=random.choice(CITIES),
            joined=day_before(random, TODAY, 700),
        )
        for first, last in people
    ]


def make_order(random: Random, customers: Sequence[Customer], products: Sequence[Product]) -> Order:
    """Make an order of one to five different products, placed after its customer joined."""
    customer = random.choice(customers)
    day = day_before(random, TODAY, (TODAY - customer.joined).days)
    chosen = random.sample(products, random.randint(1, 5))
    return Order(
        customer=customer,
        placed_at=dt.datetime.combine(day, dt.time(random.randrange(7, 23), random.randrange(60))),
        status=random.choice(list(OrderStatus)),
        items=[
            OrderItem(position=position, product=product, quantity=random.randint(1, 4), unit_price=product.price)
            for position, product in enumerate(chosen, 1)
        ],
    )


def day_before(random: Random, last: dt.date, most: int) -> dt.date:
    """Choose a day, `last` or at most `most` days earlier."""
    return last - dt.timedelta(days=random.randint(0, most))
