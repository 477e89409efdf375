"""What somebody writes against the client that is generated from the document of the demo, run against the demo."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from threading import Thread

from client import Client
from client.api.orders import list_orders
from client.api.products import create_products, delete_products, get_products, list_products, update_products
from client.models import ErrorEnvelope, OrderListEnvelope, ProductCreate, ProductEnvelope, ProductListEnvelope
from client.models.list_orders_join_item import ListOrdersJoinItem
from client.models.product_update import ProductUpdate
from shop import make_app, make_database, make_server  # type: ignore[import-not-found]


def use(client: Client) -> None:
    """List, create, read, change and delete; each answer has a type of its own."""
    listed = list_products.sync(client=client, limit=3, price_lt="20.00")
    assert isinstance(listed, ProductListEnvelope), listed
    assert len(listed.value) == 3
    assert all(isinstance(product.name, str) for product in listed.value)

    new = ProductCreate(name="Lamp", price="19.90", since=date(2026, 1, 2), category_id=1)
    created = create_products.sync(client=client, body=new)
    assert isinstance(created, ProductEnvelope), created
    key = created.value.id
    assert isinstance(key, int)

    changed = update_products.sync(key, client=client, body=ProductUpdate(price="18.50"))
    assert isinstance(changed, ProductEnvelope), changed
    assert (changed.value.price, changed.value.name) == ("18.50", "Lamp")

    assert delete_products.sync_detailed(key, client=client).status_code == 200
    missing = get_products.sync(key, client=client)
    assert isinstance(missing, ErrorEnvelope), missing
    assert missing.errors.reason == "row_not_found"

    orders = list_orders.sync(client=client, join=[ListOrdersJoinItem("customer")], limit=2)
    assert isinstance(orders, OrderListEnvelope), orders


with tempfile.TemporaryDirectory() as folder:
    server = make_server(make_app(make_database(Path(folder))), 0)
    Thread(target=server.run, daemon=True).start()
    with Client(f"http://127.0.0.1:{server.effective_port}", raise_on_unexpected_status=True) as opened:
        use(opened)
print("The generated client and the demo agree.")
