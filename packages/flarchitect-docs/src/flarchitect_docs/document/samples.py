"""Samples of code: how an operation is called, in three languages (docs D-22)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any
from urllib.parse import quote, urlencode

from flarchitect_core.catalogue.access import SecurityScheme
from flarchitect_docs.document.examples import example_of

__all__ = ["Samples"]

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request as all languages write it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any = None
    has_body: bool = False


class Samples:
    """Writes the samples of one document.

    Args:
        server: URL before the paths.
        schemes: The security schemes of the document, by name.
        schemas: Its schemas, by name.
    """

    def __init__(
        self, server: str, schemes: Mapping[str, SecurityScheme], schemas: Callable[[], Mapping[str, Mapping[str, Any]]]
    ) -> None:
        self._server = server.rstrip("/")
        self._schemes = schemes
        self._schemas = schemas

    def of(self, method: str, path: str, operation: Mapping[str, Any]) -> list[dict[str, str]]:
        """Give the samples of an operation, as `x-codeSamples` has them."""
        call = self._call(method, path, operation)
        written = [
            ("Shell", "curl", _curl(call)),
            ("Python", "Python", _python(call)),
            ("JavaScript", "JavaScript", _javascript(call)),
        ]
        return [{"lang": language, "label": label, "source": source} for language, label, source in written]

    def _call(self, method: str, path: str, operation: Mapping[str, Any]) -> _Call:
        query: list[tuple[str, str]] = []
        for parameter in operation.get("parameters", ()):
            if parameter.get("in") == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(self._example(parameter)), safe=""))
            elif parameter.get("in") == "query" and parameter.get("required"):
                query.append((parameter["name"], str(self._example(parameter))))
        url = f"{self._server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = dict(self._credentials(operation))
        content = operation.get("requestBody", {}).get("content", {}).get(_JSON)
        if content is None:
            return _Call(method, url, headers)
        return _Call(method, url, {**headers, "Content-Type": _JSON}, self._body(content), has_body=True)

    def _body(self, content: Mapping[str, Any]) -> Any:
        for example in content.get("examples", {}).values():
            return example["value"]
        return content["example"] if "example" in content else example_of(content["schema"], self._schemas())

    def _example(self, parameter: Mapping[str, Any]) -> Any:
        said = parameter.get("example")
        return example_of(parameter["schema"], self._schemas()) if said is None else said

    def _credentials(self, operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Give the headers of the first way to be recognised, where that is needed."""
        alternatives = operation.get("security") or [{}]
        if {} in alternatives:
            return
        for name in alternatives[0]:
            scheme = self._schemes.get(name, {})
            if scheme.get("type") == "http":
                word, value = ("Basic", "<base64>") if scheme.get("scheme") == "basic" else ("Bearer", "<token>")
                yield "Authorization", f"{word} {value}"
            elif scheme.get("in") == "header":
                is_ours = scheme["name"] == "Authorization"
                yield str(scheme["name"]), "Api-Key <key>" if is_ours else "<key>"
            elif scheme.get("in") == "cookie":
                yield "Cookie", f"{scheme['name']}=<token>"


def _curl(call: _Call) -> str:
    words = ["curl"] if call.method == "GET" else ["curl", "--request", call.method]
    lines = [shlex.join([*words, call.url])]
    lines += [shlex.join(["--header", f"{name}: {value}"]) for name, value in call.headers.items()]
    if call.has_body:
        lines.append(shlex.join(["--data", json.dumps(call.body, ensure_ascii=False)]))
    return " \\\n  ".join(lines)


def _python(call: _Call) -> str:
    lines = ["import requests", "", "answer = requests.request(", f"    {call.method!r},", f"    {call.url!r},"]
    # The library writes the type of the body itself.
    headers = {name: value for name, value in call.headers.items() if name != "Content-Type"}
    if headers:
        lines.append(f"    headers={headers!r},")
    if call.has_body:
        body = pformat(call.body, sort_dicts=False, width=100).replace("\n", "\n         ")
        lines.append(f"    json={body},")
    return "\n".join([*lines, ")", "print(answer.status_code, answer.text)"])


def _javascript(call: _Call) -> str:
    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, indent=2).replace("\n", "\n  ")

    lines = [f"const answer = await fetch({text(call.url)}, {{", f"  method: {text(call.method)},"]
    if call.headers:
        lines.append(f"  headers: {text(dict(call.headers))},")
    if call.has_body:
        lines.append(f"  body: JSON.stringify({text(call.body)}),")
    return "\n".join([*lines, "});", "console.log(answer.status, await answer.text());"])
