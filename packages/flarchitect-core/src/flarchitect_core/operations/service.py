"""The operations of one resource, the same for every transport: hooks, transaction, rows, events, in that order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from flarchitect_core import options
from flarchitect_core.errors import ApiError, ConflictError, NotFoundError
from flarchitect_core.events import Action, Change, tell
from flarchitect_core.operations.bulk import BulkWriter
from flarchitect_core.operations.executor import SessionExecutor
from flarchitect_core.operations.export import Export, export_rows
from flarchitect_core.operations.failures import row_not_kept, write_failure
from flarchitect_core.operations.grouped import fetch_groups
from flarchitect_core.operations.hooks import Hooks
from flarchitect_core.operations.idempotency import idempotency_of
from flarchitect_core.operations.nested.writes import nested_writes
from flarchitect_core.operations.read import Fetched, Page, fetch_page, fetch_related_row, fetch_row, require_parent
from flarchitect_core.operations.unit_of_work import unit_of_work
from flarchitect_core.operations.write import Writer
from flarchitect_core.query.compile import Scope
from flarchitect_core.query.paging import Extent, PageLinks

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.hooks import Context
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.operations.write import Held, Written
    from flarchitect_core.query.expressions import CollectionQuery
    from flarchitect_core.query.view import View
    from flarchitect_core.state import ApplicationState

__all__ = ["Draft", "ResourceService", "Saved", "provide_services"]

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a write gives, before the commit.

    Attributes:
        value: Record to answer with.
        key: Key of the row.
    """

    value: Any
    key: tuple[Any, ...]
    created: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that was written and not yet read back."""

    operation: Operation
    context: Context | None
    executor: SessionExecutor
    written: Written


def provide_services(state: ApplicationState) -> None:
    """Make the operations of every published model."""
    state.hooks = {resource.model: Hooks(resource, state.settings, state.plugins) for resource in state.registry}
    state.nested = nested_writes(state)
    state.services = {resource.model: ResourceService(resource, state) for resource in state.registry}


class ResourceService:
    """Reads and writes the rows of one resource; made once at start-up."""

    def __init__(self, resource: Resource, state: ApplicationState) -> None:
        self.resource = resource
        self._state = state
        self._hooks = state.hooks[resource.model]
        self._writer = Writer(resource, state)
        self._tags = self._writer.tags
        self.bulk = BulkWriter(self, self._writer, self._hooks)
        self.idempotency = idempotency_of(resource, state.settings)

    # --- reading ------------------------------------------------------------------------------------------------------

    def list(self, operation: Operation, query: CollectionQuery) -> Page:
        """Read one page of rows, on relation routes of those that the parent leads to.

        Raises:
            NotFoundError: The parent does not exist.
        """
        context, executor = self._begin(operation), self.executor(operation)
        scope = self._scope(operation, query.view, executor)
        if query.grouping is not None:
            page = fetch_groups(self.resource, query, query.grouping, executor, scope)
            return self._groups(operation, context, query, page)
        if context is None or not self._hooks.wants_output("GET"):
            fetched = fetch_page(self.resource, query, executor, self._state.cursors, scope)
            return Page(fetched.dump(executor), fetched.extent)
        query = replace(query, view=replace(query.view, instances=True))
        fetched = fetch_page(self.resource, query, executor, self._state.cursors, scope)
        given = _page_output(operation, query, fetched.instances(), fetched.extent)
        output = self._hooks.output(operation, context, given)
        if not isinstance(output, Mapping):
            return Page(self._dumped(fetched, output, executor), fetched.extent)
        extent = replace(fetched.extent, total=output.get("total_count", fetched.extent.total))
        return Page(self._dumped(fetched, output.get("query"), executor), extent)

    def _groups(self, operation: Operation, context: Context | None, query: CollectionQuery, page: Page) -> Page:
        """Give a page of groups as hooks leave it; they get the records as `dictionary`, too."""
        if context is None or not self._hooks.wants_output("GET"):
            return page
        given = {**_page_output(operation, query, page.records, page.extent), "dictionary": page.records}
        output = self._hooks.output(operation, context, given)
        if not isinstance(output, Mapping):
            return Page(output or (), page.extent)
        # A hook may have put others in place of either.
        changed = output.get("dictionary") is not page.records
        records = output.get("dictionary" if changed else "query")
        extent = replace(page.extent, total=output.get("total_count", page.extent.total))
        return Page(records or (), extent)

    def export(self, operation: Operation, query: CollectionQuery, *, limit: int | None, most: int) -> Export:
        """Read all rows, on relation routes of those that the parent leads to, chunk by chunk.

        Args:
            limit: How many rows the client wants at most.
            most: How many rows there may be at most.

        Raises:
            ApiError: A return callback wants to see whole answers, which an export never is; or groups are asked for.
            NotFoundError: The parent does not exist.
            QueryError: There are more rows than `most`.
        """
        if query.grouping is not None:
            raise ApiError(
                "Groups are not given as an export. Ask for application/json, page by page.",
                status=406,
                reason="export_not_allowed",
            )
        context, executor = self._begin(operation), self.executor(operation)
        if context is not None and self._hooks.wants_output("GET"):
            raise ApiError(
                f"{self.resource.name} rows are not given as an export: a return callback or a plugin sees whole "
                f"answers. Ask for application/json, page by page.",
                status=406,
                reason="export_not_allowed",
            )
        scope = self._scope(operation, query.view, executor)
        return export_rows(self.resource, query, executor, scope, limit=limit, most=most)

    def get(self, operation: Operation, view: View) -> Any:
        """Read one row, on to-one relation routes the one that the parent leads to.

        Raises:
            NotFoundError: There is no such row.
        """
        context, executor = self._begin(operation), self.executor(operation)
        if context is None or not self._hooks.wants_output("GET"):
            return self._fetch(operation, view, executor).dump(executor)[0]
        fetched = self._fetch(operation, replace(view, instances=True), executor)
        empty = dict.fromkeys(_PAGE_MEMBERS)
        output = self._hooks.output(operation, context, {**empty, "query": fetched.instances()[0]})
        value = output.get("query") if isinstance(output, Mapping) and "query" in output else output
        return self._one(fetched, value, executor)

    @staticmethod
    def _scope(operation: Operation, view: View, executor: SessionExecutor) -> Scope | None:
        """Give what restricts rows to those that the parent of a relation route leads to.

        Raises:
            ForbiddenError: A policy that judges rows one by one refuses the parent.
            NotFoundError: The parent does not exist.
        """
        if operation.relation is None:
            return None
        scope = Scope(operation.relation, operation.require_parent_key())
        if operation.relation.source.judges_reads:
            require_parent(scope.relation, scope.parent_key, view, executor)
        return scope

    def _fetch(self, operation: Operation, view: View, executor: SessionExecutor) -> Fetched:
        if operation.wants_tag:
            view = replace(view, with_attributes=self._tags.attributes)
        if operation.relation is not None:
            if operation.key is not None and operation.relation.source.judges_reads:
                require_parent(operation.relation, operation.key, view, executor)
            fetched = fetch_related_row(operation.relation, operation.key, view, executor)
        else:
            fetched = fetch_row(self.resource, operation.key, view, executor)
        if operation.wants_tag:
            row, positions = fetched.rows[0], fetched.plan.positions
            operation.tag = self._tags.of_values([row[positions[name]] for name in self._tags.attributes])
        return fetched

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, operation: Operation) -> Iterator[Session]:
        """Run a block as one transaction, and tell what it changed after its commit."""
        try:
            with unit_of_work(self._state, self.resource, deleting=operation.method == "DELETE") as session:
                yield session
        except ConflictError as error:
            # A version column has found out what the condition would have found, had it been checked a moment later.
            if error.reason == "row_changed" and operation.precondition is not None:
                raise operation.precondition.failure() from error
            raise
        tell(self._state.listeners, operation.changes)

    def create(self, session: Session, operation: Operation, body: Body, view: View) -> Saved:
        """Add a row.

        Raises:
            ValidationError: The body does not fit.
        """
        return self.saved(self.write(session, operation, self.check(operation, body)), view)

    def replace(self, session: Session, operation: Operation, body: Body, view: View) -> Saved:
        """Replace a row as a whole, or create it when the client may choose its key.

        Columns that the body leaves out take their defaults.

        Raises:
            NotFoundError: There is no such row, and the client may not choose keys.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        return self.saved(self.write(session, operation, self.check(operation, body)), view)

    def update(self, session: Session, operation: Operation, body: Body, view: View) -> Saved:
        """Change the columns that the body names.

        Raises:
            NotFoundError: There is no such row.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        return self.saved(self.write(session, operation, self.check(operation, body)), view)

    def check(self, operation: Operation, body: Body) -> dict[str, Any]:
        """Check a body and give the attribute values that it sets.

        Raises:
            NotFoundError: The text in the URL cannot be a key.
            ValidationError: The body does not fit, or carries another key than the URL.
        """
        return self._writer.values.read(operation.method, operation, self._hooks.body(body))

    def write(self, session: Session, operation: Operation, values: dict[str, Any], held: Held | None = None) -> Draft:
        """Do what the method of the operation means with checked values, and leave the answer to `saved`.

        Args:
            held: Rows among which a PATCH finds its own; the caller flushes.

        Raises:
            NotFoundError: There is no such row.
        """
        executor = self.executor(operation)
        self._writer.check_references(session, operation, executor, values)
        context = self._begin(operation, values)
        values = _values(context, values)
        if operation.method == "POST":
            written = self._writer.create(session, operation, executor, values)
        elif operation.method == "PUT":
            written = self._writer.replace(session, operation, executor, values)
        else:
            written = self._writer.update(session, operation, executor, values, held)
        draft = self._noted(Draft(operation, context, executor, written))
        if held is None:
            executor.judge.require_written(session, operation.changes)
        return draft

    def noted(self, operation: Operation, written: Written) -> Draft:
        """Take note of a row that was written together with others, without callbacks."""
        return self._noted(Draft(operation, None, self.executor(operation), written))

    def _noted(self, draft: Draft) -> Draft:
        action: Action = "created" if draft.written.created else "updated"
        draft.operation.changes.append(Change(self.resource, action, draft.written.key))
        return draft

    def delete(self, session: Session, operation: Operation, *, cascade: bool = False) -> Any:
        """Delete a row, or mark it as deleted, and give the value to answer with: null, unless a hook says otherwise.

        Args:
            cascade: Remove dependent rows too, and the row itself even where rows are only marked.

        Raises:
            NotFoundError: There is no such row.
            ConflictError: Other rows refer to it.
        """
        context = self._begin(operation)
        with self._refusing(cascade=cascade):
            removed = self._writer.delete(session, operation, self.executor(operation), cascade=cascade)
        operation.changes.extend(removed)
        return self._deleted(operation, context)

    def delete_all(self, session: Session, operation: Operation, items: Sequence[Operation], *, cascade: bool) -> None:
        """Delete the rows of several operations, as `delete` does with one.

        Args:
            operation: That of the request, which gets the changes.

        Raises:
            NotFoundError: One of the rows is not there.
            ConflictError: Other rows refer to one of them.
        """
        contexts = [self._begin(item) for item in items]
        keys = list(dict.fromkeys(item.key for item in items if item.key is not None))
        with self._refusing(cascade=cascade):
            removed = self._writer.delete_all(session, operation, self.executor(operation), keys, cascade=cascade)
        operation.changes.extend(removed)
        for item, context in zip(items, contexts, strict=True):
            self._deleted(item, context)

    def _deleted(self, operation: Operation, context: Context | None) -> Any:
        if context is None or not self._hooks.wants_output("DELETE"):
            return None
        output = self._hooks.output(operation, context, (None, 200))
        return output[0] if isinstance(output, tuple) and len(output) == 2 else output

    @contextmanager
    def _refusing(self, *, cascade: bool) -> Iterator[None]:
        """Say how to delete what other rows refer to, where that is allowed."""
        advises_cascade = not cascade and self._state.settings.get(
            options.ALLOW_CASCADE_DELETE, model=self.resource.model
        )
        try:
            yield
        except IntegrityError as error:
            failure = write_failure(error, self.resource, deleting=True)
            if not advises_cascade:
                raise failure from error
            raise ConflictError(
                "Error deleting object, use url parameter `cascade_delete=1` to attempt cascade delete",
                reason="row_is_referred_to",
            ) from error

    def saved(self, draft: Draft, view: View) -> Saved:
        """Give the row as it now is, read in the transaction that wrote it."""
        operation, context, executor, written = draft.operation, draft.context, draft.executor, draft.written
        operation.key = written.key
        has_output = context is not None and self._hooks.wants_output(operation.method)
        if not (has_output or operation.wants_value or operation.wants_tag):
            return Saved(None, written.key, written.created)
        view = replace(view, instances=True) if has_output else view
        try:
            fetched = self._fetch(operation, view, executor)
        except NotFoundError:
            # The row is the caller's own work: what hides it from readers must not undo the write.
            view = executor.show(self.resource, written.key, view)
            if executor.judge.visible(self.resource):
                return self._kept(operation, written, view, executor)
            fetched = self._fetch_written(operation, view, executor)
        if context is None or not has_output:
            return Saved(fetched.dump(executor)[0], written.key, written.created)
        output = self._hooks.output(operation, context, fetched.instances()[0])
        return Saved(self._one(fetched, output, executor), written.key, written.created)

    def _kept(self, operation: Operation, written: Written, view: View, executor: SessionExecutor) -> Saved:
        """Give a row that the caller may have created and may perhaps not read: then its key is all that is told."""
        try:
            return Saved(self._fetch(operation, view, executor).dump(executor)[0], written.key, written.created)
        except NotFoundError:
            return Saved(None, written.key, written.created)

    def _fetch_written(self, operation: Operation, view: View, executor: SessionExecutor) -> Fetched:
        try:
            return self._fetch(operation, view, executor)
        except NotFoundError as error:
            raise row_not_kept(self.resource) from error

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _begin(self, operation: Operation, values: dict[str, Any] | None = None) -> Context | None:
        """Call what runs before an operation; `None` when nobody hangs on it."""
        hooks, method = self._hooks, operation.method
        if not (hooks.wants_setup(method) or hooks.wants_output(method)):
            return None
        context = hooks.set_up(operation, values)
        if context["id"] != operation.id:
            key = context["id"]
            operation.key = key if isinstance(key, tuple) or key is None else (key,)
        return context

    def executor(self, operation: Operation) -> SessionExecutor:
        """Make what runs the selects of an operation."""
        return SessionExecutor(self._state, operation)

    def _dumped(self, fetched: Fetched, output: Any, executor: SessionExecutor) -> Sequence[Any]:
        """Dump what a hook gave in place of rows; what is no instance of the model is given as it is."""
        entries = list(output or ())
        model = self.resource.model
        records = iter(fetched.holding([entry for entry in entries if isinstance(entry, model)]).dump(executor))
        return [next(records) if isinstance(entry, model) else entry for entry in entries]

    def _one(self, fetched: Fetched, output: Any, executor: SessionExecutor) -> Any:
        return None if output is None else self._dumped(fetched, [output], executor)[0]


_PAGE_MEMBERS = ("query", "limit", "page", "total_count", "next_url", "previous_url", "current_page", "total_pages")


def _page_output(
    operation: Operation, query: CollectionQuery, entries: Sequence[Any], extent: Extent
) -> dict[str, Any]:
    links = operation.page_links(extent) if operation.page_links is not None else PageLinks()
    page, total = (query.page if query.cursor is None else None), extent.total
    return {
        "query": entries,
        "limit": query.limit,
        "page": page,
        "total_count": total,
        "next_url": links.next,
        "previous_url": links.previous,
        "current_page": page,
        "total_pages": None if total is None else -(-total // query.limit),
    }


def _values(context: Context | None, values: dict[str, Any]) -> dict[str, Any]:
    return values if context is None else context["deserialized_data"]
