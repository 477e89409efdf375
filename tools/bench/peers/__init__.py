"""The peers that are compared: one small application each.

A peer module has `create_app(url)`, which gets the SQLAlchemy URL of the peer's own database and returns a WSGI
application. Nothing is imported before the peer's own process asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the result table."""

    name: str
    module: str
    description: str


BASELINE = "baseline"
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(BASELINE, "peers.baseline", "hand-written Flask views, SQLAlchemy ORM, marshmallow"),
        Peer("floor", "peers.floor", "bare WSGI, the database driver, orjson; no validation"),
        Peer("flarchitect", "peers.flarchitect", "Architect(app) over the same models, quick-start configuration"),
        Peer("flarchitect_jwt", "peers.flarchitect_jwt", "the same behind JWT; every request carries an access token"),
    )
}
