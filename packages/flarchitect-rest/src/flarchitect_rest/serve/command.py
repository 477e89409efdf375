"""One run of `flarchitect serve`: prepare, greet, serve."""

from __future__ import annotations

import re
from dataclasses import dataclass

from click import echo
from flask import Flask

from flarchitect_core.errors import FlarchitectError
from flarchitect_core.state import state_of
from flarchitect_rest.serve.application import create_app
from flarchitect_rest.serve.errors import ServeError, WrongArgumentError
from flarchitect_rest.serve.greeting import cautions, greeting
from flarchitect_rest.serve.listener import Address, bind
from flarchitect_rest.serve.server import Server, make_server, require_waitress

__all__ = ["ServeCommand"]

_PREFIX = re.compile(r"(/?[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True, slots=True)
class ServeCommand:
    """The arguments and options of one run, as the user gave them."""

    url: str
    host: str
    port: int
    prefix: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    schema: str | None
    write: bool
    dev: bool

    def run(self) -> int:
        """Serve until interrupted.

        Returns:
            The exit code: 0, 1 when something refuses, 2 when an argument is wrong.
        """
        try:
            server = self._prepare()
        except FlarchitectError as error:
            echo(f"flarchitect: {error}", err=True)
            return error.exit_code if isinstance(error, ServeError) else 1
        server.run()
        return 0

    def _prepare(self) -> Server:
        if not _PREFIX.fullmatch(self.prefix):
            raise WrongArgumentError(f"The prefix `{self.prefix}` is not a plain path. Write it as in --prefix /api/v1")
        if not self.dev:
            require_waitress()
        listener, address = bind(self.host, self.port)
        try:
            app = self._application(address)
        except BaseException:
            listener.close()
            raise
        state = state_of(app)
        for line in cautions(state, address, write=self.write):
            echo(line, err=True)
        server = make_server(app, listener, dev=self.dev)
        for line in greeting(state, address, write=self.write):
            echo(line)
        return server

    def _application(self, address: Address) -> Flask:
        return create_app(
            self.url,
            include=self.include,
            exclude=self.exclude,
            schema=self.schema,
            write=self.write,
            prefix=self.prefix,
            trusted_hosts=address.trusted_hosts(),
            debug=self.dev,
        )
