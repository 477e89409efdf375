"""Own the applications whose start is measured, over any number of generated models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask


def baseline(models: list[type[Any]], url: str) -> Flask:
    """Build what a developer would write by hand: per model a marshmallow schema and five views.

    Args:
        models: Mapped classes, as `startup_models` makes them.
        url: SQLAlchemy URL.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    app = Flask("baseline")
    sessions = sessionmaker(create_engine(url), expire_on_commit=False)
    for model in models:
        _add_views(app, model, sessions)
    return app


def flarchitect(models: list[type[Any]], url: str) -> Flask:
    """Build the same with flarchitect, configured as its quick start shows it.

    Args:
        models: Mapped classes, as `startup_models` makes them.
        url: SQLAlchemy URL.
    """
    from flarchitect import Architect

    app = Flask("bench")
    base = models[0].__base__
    app.config.update(API_TITLE="Bench", API_VERSION="1.0", API_BASE_MODEL=base, API_DATABASE_URI=url)
    Architect(app)
    return app


APPS: dict[str, Callable[[list[type[Any]], str], Flask]] = {"baseline": baseline, "flarchitect": flarchitect}


def _add_views(app: Flask, model: type[Any], sessions: Callable[[], Any]) -> None:
    from flask import abort, request
    from sqlalchemy import func, select

    schema = _schema(model)
    name = model.__name__
    path = f"/api/{name.removesuffix('Product').lower()}-products"

    def many() -> Any:
        size = min(request.args.get("limit", 20, type=int), 100)
        with sessions() as session:
            rows = session.scalars(select(model).order_by(model.id).limit(size)).all()
            total = session.scalar(select(func.count()).select_from(model))
            return {"value": schema.dump(rows, many=True), "total_count": total}

    def one(key: int) -> Any:
        with sessions() as session:
            return {"value": schema.dump(session.get(model, key) or abort(404))}

    def create() -> Any:
        with sessions() as session:
            row = model(**schema.load(request.get_json()))
            session.add(row)
            session.commit()
            return {"value": schema.dump(row)}, 201

    def change(key: int) -> Any:
        changes = schema.load(request.get_json(), partial=True)
        with sessions() as session:
            row = session.get(model, key) or abort(404)
            for attribute, value in changes.items():
                setattr(row, attribute, value)
            session.commit()
            return {"value": schema.dump(row)}

    def remove(key: int) -> Any:
        with sessions() as session:
            session.delete(session.get(model, key) or abort(404))
            session.commit()
            return {"value": None}

    app.add_url_rule(path, f"{name}_many", many, methods=["GET"])
    app.add_url_rule(path, f"{name}_create", create, methods=["POST"])
    for view, method in ((one, "GET"), (change, "PATCH"), (remove, "DELETE")):
        app.add_url_rule(f"{path}/<int:key>", f"{name}_{view.__name__}", view, methods=[method])


def _schema(model: type[Any]) -> Any:
    from marshmallow import Schema, fields, validate

    members: dict[str, Any] = {
        "id": fields.Integer(dump_only=True),
        "name": fields.String(required=True, validate=validate.Length(max=80)),
        "code": fields.String(required=True, validate=validate.Length(max=20)),
        "price": fields.Decimal(required=True, places=2, as_string=True),
        "made": fields.Date(required=True),
        "is_sold": fields.Boolean(required=True),
    }
    if hasattr(model, "parent_id"):
        members["parent_id"] = fields.Integer(allow_none=True)
    return type(f"{model.__name__}Schema", (Schema,), members)()
