"""Writing many rows by one request, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import marshmallow as ma
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from flarchitect_core.errors import (
    ApiError,
    BadRequestError,
    QueryError,
    UnavailableError,
    ValidationError,
)
from flarchitect_core.operations.failures import write_failure
from flarchitect_core.operations.locks import locked
from flarchitect_core.operations.write import Written
from flarchitect_core.query.compile import parameters_of, statements_of
from flarchitect_core.query.expressions import conditions_of
from flarchitect_core.query.include import dump_rows, fetch_rows
from flarchitect_core.query.many_keys import is_one_of, parts_of
from flarchitect_core.query.plans import plan_of
from flarchitect_core.query.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flarchitect_core.model.resource import Resource
    from flarchitect_core.operations.hooks import Hooks
    from flarchitect_core.operations.operation import Operation
    from flarchitect_core.operations.service import Draft, ResourceService
    from flarchitect_core.operations.write import Held, Writer
    from flarchitect_core.query.expressions import CollectionQuery
    from flarchitect_core.query.include import LoadPlan

__all__ = ["BulkWriter", "Outcome"]

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a list.

    Attributes:
        value: Record of the row, when the answer shows it.
        error: Why nothing was written for it.
    """

    status: int
    value: Any = None
    error: ApiError | None = None


class BulkWriter:
    """Writes many rows of one resource, each as the operation for one row would."""

    def __init__(self, service: ResourceService, writer: Writer, hooks: Hooks) -> None:
        self._service = service
        self._resource: Resource = service.resource
        self._writer = writer
        self._hooks = hooks

    # --- lists --------------------------------------------------------------------------------------------------------

    def create(
        self, session: Session, operation: Operation, bodies: Sequence[Any], view: View, *, atomic: bool
    ) -> list[Outcome]:
        """Add a row for each body.

        Raises:
            BadRequestError: With `atomic`, something is wrong with any of them; its `items` say what.
        """
        items = [self._item(operation) for _ in bodies]
        return self._write(session, operation, items, bodies, view, atomic=atomic)

    def update(
        self, session: Session, operation: Operation, bodies: Sequence[Any], view: View, *, atomic: bool
    ) -> list[Outcome]:
        """Change the row whose key each body carries.

        Raises:
            BadRequestError: With `atomic`, something is wrong with any of them; its `items` say what.
        """
        items = [self._item(operation) for _ in bodies]
        seen: set[Key] = set()

        def keyed(item: Operation, body: Mapping[str, Any]) -> None:
            item.key = self._key_in(body)
            if item.key in seen:
                names = [field.name for field in self._resource.key]
                raise ValidationError({name: ["Another item of the list has this key."] for name in names})
            seen.add(item.key)

        return self._write(session, operation, items, bodies, view, atomic=atomic, prepare=keyed)

    def _write(
        self,
        session: Session,
        operation: Operation,
        items: Sequence[Operation],
        bodies: Sequence[Any],
        view: View,
        *,
        atomic: bool,
        prepare: Callable[[Operation, Mapping[str, Any]], None] | None = None,
    ) -> list[Outcome]:
        errors: dict[int, ApiError] = {}
        values: dict[int, dict[str, Any]] = {}
        for position, (item, body) in enumerate(zip(items, bodies, strict=True)):
            try:
                if not isinstance(body, dict):
                    raise BadRequestError("Each item of the list must be a JSON object.", reason="not_an_object")
                if prepare is not None:
                    prepare(item, body)
                values[position] = self._service.check(item, body)
            except ApiError as error:
                errors[position] = error
        if errors and atomic:
            raise _refused(errors)
        # A savepoint must be within a transaction, which the driver of SQLite begins by itself only for a write.
        self._writer.write_lock.take(session)
        held = self._held(session, operation, [items[position] for position in values])
        drafts = self._at_once(session, items, values, held, atomic=atomic)
        if drafts is None:
            drafts = self._one_by_one(session, items, values, errors, held, atomic=atomic)
        for draft in drafts.values():
            operation.changes += draft.operation.changes
        records = self._read_back(operation, list(drafts.values()), view)
        by_position = dict(zip(drafts, records, strict=True))
        return [
            _failed(errors[position])
            if position in errors
            else Outcome(201 if drafts[position].written.created else 200, by_position[position])
            for position in range(len(items))
        ]

    def _held(self, session: Session, operation: Operation, items: Sequence[Operation]) -> Held | None:
        """Load and lock the rows to change; `None` where rows are added."""
        if operation.method != "PATCH":
            return None
        keys = [item.key for item in items if item.key is not None]
        executor = self._service.executor(operation)
        held = self._writer.hold(session, operation, executor, keys)
        held.is_permitted = executor.judge.permits(session, self._resource, list(held), "update")
        return held

    def _at_once(
        self,
        session: Session,
        items: Sequence[Operation],
        values: Mapping[int, dict[str, Any]],
        held: Held | None,
        *,
        atomic: bool,
    ) -> dict[int, Draft] | None:
        """Write all rows by as few statements as can be, or nothing and give `None`."""
        if not values or (not atomic if held is not None else self._hangs_on("POST")):
            return None
        try:
            with session.begin_nested():
                return (
                    self._added_at_once(session, items, values)
                    if held is None
                    else self._changed_at_once(session, items, values, held)
                )
        except UnavailableError:
            raise
        except ApiError:
            return None
        except (SQLAlchemyError, OverflowError) as error:
            # One by one, it comes out which of them it was.
            if isinstance(write_failure(error, self._resource), UnavailableError):
                raise
            return None

    def _added_at_once(
        self, session: Session, items: Sequence[Operation], values: Mapping[int, dict[str, Any]]
    ) -> dict[int, Draft] | None:
        executor = self._service.executor(items[0])
        written = self._writer.create_all(session, items[0], executor, list(values.values()))
        if written is None:
            return None
        # Of copies, so that nothing is left of them when they are written one by one after all.
        drafts = {
            position: self._service.noted(replace(items[position], changes=[]), one)
            for position, one in zip(values, written, strict=True)
        }
        self._judge(session, list(drafts.values()))
        return drafts

    def _changed_at_once(
        self, session: Session, items: Sequence[Operation], values: Mapping[int, dict[str, Any]], held: Held
    ) -> dict[int, Draft]:
        # Of copies, as above.
        drafts = {
            position: self._service.write(session, replace(items[position], changes=[]), {**given}, held)
            for position, given in values.items()
        }
        session.flush()
        self._judge(session, list(drafts.values()))
        return drafts

    @staticmethod
    def _judge(session: Session, drafts: Sequence[Draft]) -> None:
        """Check rows that were written, as they are now, by one statement for all.

        Raises:
            ForbiddenError: A policy refuses one of them.
        """
        changes = [change for draft in drafts for change in draft.operation.changes]
        drafts[0].executor.judge.require_written(session, changes)

    def _one_by_one(
        self,
        session: Session,
        items: Sequence[Operation],
        values: Mapping[int, dict[str, Any]],
        errors: dict[int, ApiError],
        held: Held | None,
        *,
        atomic: bool,
    ) -> dict[int, Draft]:
        drafts: dict[int, Draft] = {}
        for position, given in values.items():
            try:
                with self._translated(), nullcontext() if atomic else session.begin_nested():
                    draft = self._service.write(session, items[position], given, held)
                    session.flush()
                    if held is not None:
                        self._judge(session, [draft])
                # Not before its savepoint is over: nobody is told of what was undone.
                drafts[position] = draft
            except UnavailableError:
                raise
            except ApiError as error:
                errors[position] = error
                if atomic:
                    raise _refused(errors) from error
        return drafts

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:
            raise write_failure(error, self._resource) from error

    # --- what a filter finds ------------------------------------------------------------------------------------------

    def update_matching(
        self, session: Session, operation: Operation, query: CollectionQuery, body: Mapping[str, Any], *, most: int
    ) -> list[Any]:
        """Change all rows that a query finds, in the same way, and give their records.

        Raises:
            QueryError: There is no filter, or it finds more than `most` rows.
            ValidationError: The body does not fit.
        """
        found = self._matching(session, operation, query, most)
        items = [self._item(operation, key) for key in found]
        if not items:
            return []
        values = self._checked(items, body)
        executor = self._service.executor(operation)
        is_plain = not self._hangs_on("PATCH") and not operation.merges
        if is_plain and self._writer.update_all(session, operation, executor, found, values[0]):
            drafts = [
                self._service.noted(item, Written(key, created=False)) for item, key in zip(items, found, strict=True)
            ]
        else:
            held = self._held(session, operation, items)
            drafts = [
                self._service.write(session, item, given, held) for item, given in zip(items, values, strict=True)
            ]
            session.flush()
        self._judge(session, drafts)
        operation.changes += [change for item in items for change in item.changes]
        return self._read_back(operation, drafts, query.view)

    def _checked(self, items: Sequence[Operation], body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Check the one body of several items."""
        # Only a key means another thing for each row; callbacks may keep, or change, what they are given.
        if self._hangs_on("PATCH") or any(field.name in body for field in self._resource.key):
            return [self._service.check(item, body) for item in items]
        values = self._service.check(items[0], body)
        return [dict(values) for _ in items]

    def delete_matching(
        self, session: Session, operation: Operation, query: CollectionQuery, *, most: int, cascade: bool
    ) -> int:
        """Delete all rows that a query finds, or mark them, and give their number.

        Raises:
            QueryError: There is no filter, or it finds more than `most` rows.
            ConflictError: Other rows refer to one of them.
        """
        found = self._matching(session, operation, query, most)
        self._service.delete_all(session, operation, [self._item(operation, key) for key in found], cascade=cascade)
        return len(found)

    def _matching(self, session: Session, operation: Operation, query: CollectionQuery, most: int) -> list[Key]:
        if not query.words and not any(True for _ in conditions_of(query.where)):
            raise QueryError(
                f"{operation.method} on a collection needs a filter, such as {self._resource.key[0].name}__in=1,2.",
                reason="filter_required",
            )
        self._writer.write_lock.take(session)
        names = tuple(item.attribute for item in self._resource.key)
        shown = replace(query.view, fields=(), joined=frozenset(), relations=False, columns=(), with_attributes=names)
        plan = plan_of(self._resource, shown)
        keys_only = replace(query, view=shown, order=(), page=1, limit=most + 1)
        statements = statements_of(plan, keys_only)
        # Locked, so that what is found is still so when it is written.
        rows = fetch_rows(
            plan,
            self._service.executor(operation),
            locked(statements.rows, self._resource),
            {**parameters_of(keys_only), "row_limit": most + 1, "row_offset": 0},
            statements.resources,
        )
        if len(rows) > most:
            raise QueryError(
                f"More than {most} rows match, so none was written. Narrow the filter, or raise max_affected.",
                reason="too_many_affected",
                details={"maximum": most},
            )
        return [tuple(row[plan.positions[name]] for name in names) for row in rows]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _hangs_on(self, method: str) -> bool:
        return self._hooks.wants_setup(method) or self._hooks.wants_output(method)

    @staticmethod
    def _item(operation: Operation, key: Key | None = None) -> Operation:
        return replace(operation, many=False, key=key, changes=[], wants_tag=False)

    def _key_in(self, body: Mapping[str, Any]) -> Key:
        """Read the key that a body carries.

        Raises:
            ValidationError: It carries none.
        """
        missing = [item.name for item in self._resource.key if item.name not in body]
        if missing:
            raise ValidationError({name: ["Missing data for required field."] for name in missing})
        key = {}
        for item in self._resource.key:
            with _as_field(item.name):
                key[item.attribute] = item.codec.deserialize(body[item.name])
        return tuple(key.values())

    def _read_back(self, operation: Operation, drafts: Sequence[Draft], view: View) -> list[Any]:
        """Give the records of rows as they now are, by one statement where no callback wants each row."""
        if self._hooks.wants_output(operation.method):
            return [self._service.saved(draft, view).value for draft in drafts]
        if not operation.wants_value or not drafts:
            return [None] * len(drafts)
        names = tuple(item.attribute for item in self._resource.key)
        columns = tuple(column for column in view.columns if not column.relation.many)
        plan = plan_of(self._resource, replace(view, with_attributes=names, columns=columns))
        statement = plan.statements.get("keys", lambda: _by_keys(plan))
        executor = self._service.executor(operation)
        rows: dict[Key, Any] = {}
        for some in parts_of([draft.written.key for draft in drafts]):
            for row in fetch_rows(plan, executor, statement, some):
                rows[tuple(row[plan.positions[name]] for name in names)] = row
        known = [rows[draft.written.key] for draft in drafts if draft.written.key in rows]
        records = iter(dump_rows(plan, known, executor))
        # A row that is hidden from readers, or whose key the database writes in another way, is read by itself.
        return [
            next(records) if draft.written.key in rows else self._service.saved(draft, view).value for draft in drafts
        ]


def _by_keys(plan: LoadPlan) -> sa.Select[Any]:
    model = plan.resource.model
    keys = is_one_of([item.fact.attribute for item in plan.resource.key])
    return plan.joins.apply(plan.statement.select_from(model)).where(keys)


@contextmanager
def _as_field(name: str) -> Iterator[None]:
    try:
        yield
    except ma.ValidationError as error:
        raise ValidationError({name: error.messages}) from error


def _failed(error: ApiError) -> Outcome:
    return Outcome(error.status, error=error)


def _refused(errors: Mapping[int, ApiError]) -> BadRequestError:
    positions = ", ".join(str(position) for position in sorted(errors)[:10])
    return BadRequestError(
        f"Nothing was written. See `items` for the items at {positions}{', …' if len(errors) > 10 else ''}.",
        reason="bulk_refused",
        details={
            "items": [
                {"index": position, "status": errors[position].status, "errors": errors[position].to_dict()}
                for position in sorted(errors)
            ]
        },
    )
