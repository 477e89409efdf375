"""The document of an application: what it is written from, and when."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import yaml
from flask import Flask

from flarchitect_core.architect import Architect
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_docs.document.documents import Document, Documents
from flarchitect_docs.part import DocsPart


def documents_of(app: Flask) -> Documents:
    documents: Documents = state_of(app).documents
    return documents


def document_of(app: Flask, version: str | None = None) -> Document:
    return documents_of(app).current(version)


def make_app(**config: object) -> Flask:
    app = Flask("documented")
    app.config.update(FULL_AUTO=False, **config)
    Architect(app, parts=[DocsPart()])
    return app


def test_json_and_yaml_say_the_same() -> None:
    document = document_of(make_app(API_TITLE="Büchér"))
    assert json.loads(document.json) == yaml.safe_load(document.yaml) == document.content
    assert document.content["info"]["title"] == "Büchér"


def test_a_document_is_kept_until_a_route_is_added() -> None:
    app = make_app()
    first = document_of(app)
    assert document_of(app) is first
    app.add_url_rule("/late", "late", lambda: "late")
    assert document_of(app) is not first


def test_readers_who_come_at_once_wait_for_one_document() -> None:
    class Counts(PluginBase):
        def __init__(self) -> None:
            self.begun: list[Any] = []
            self.has_company = Event()

        def spec_build_started(self, spec: Any) -> None:
            self.begun.append(spec)
            if len(self.begun) > 1:
                self.has_company.set()
            self.has_company.wait(0.3)  # the others could begin too now

    counts = Counts()
    app = make_app(API_PLUGINS=[counts])
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: document_of(app), range(4)))
    assert len(counts.begun) == 1
    assert all(each is found[0] for each in found)
