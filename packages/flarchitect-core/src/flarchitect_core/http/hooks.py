"""Binding core to the life of a request: its id, its log line, its sessions, and its errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, g, got_request_exception, has_app_context, request
from sqlalchemy.exc import SQLAlchemyError, StatementError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from flarchitect_core import options
from flarchitect_core.errors import ApiError, FlarchitectError, error_code, phrase_of
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.logs import AppLog, configure, one_line
from flarchitect_core.http.observation import Observer
from flarchitect_core.http.operational_routes import exposed_paths, register_operational_routes
from flarchitect_core.http.request_id import identify
from flarchitect_core.http.request_scope import (
    begin_request,
    current_request,
    end_request,
    end_requests_of,
)
from flarchitect_core.model.naming import convert_case
from flarchitect_core.resolution import forget_request_lookups
from flarchitect_core.state import STATE_KEY, ApplicationState, state_of
from flarchitect_core.suggestions import nearest

__all__ = ["answer_failure", "guard_blueprint", "handle_exception", "handle_http_exception", "install_hooks"]
__all__ += ["print_exception", "render_error"]


def install_hooks(state: ApplicationState) -> None:
    """Register the request functions and error handlers of core.

    They are put before those of the application, so that every answer and every log line has the request id, also
    when the application refuses the request before a view runs.
    """
    app, settings = state.app, state.settings
    log = state.log = _log_of(state)
    observer = Observer(state, log)
    header = settings.get(options.REQUEST_ID_HEADER)

    def begin() -> None:
        scope = begin_request(identify(request.headers, header), g._get_current_object())  # noqa: SLF001
        # Requests that a test client makes within one application context share its `g`.
        forget_request_lookups()
        observer.begin(scope)
        state.database.begin_request(scope)
        state.plugins.request_started(request)
        _refuse_unknown_path(state)

    def finish(response: Response) -> Response:
        response = state.plugins.request_finished(request, response)
        scope = current_request()
        if scope is not None:
            response.headers[header] = scope.identity.request_id
            observer.finish(scope, response)
        return response

    def end(error: BaseException | None) -> None:
        end_request()

    def end_late(error: BaseException | None) -> None:
        # Flask skips `end` when a function of the application raises before it, but never the end of the context.
        end_requests_of(g._get_current_object())  # noqa: SLF001

    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    # After-request functions run in reverse order: the first one registered sees the finished answer.
    app.after_request_funcs.setdefault(None, []).insert(0, finish)
    app.teardown_request_funcs.setdefault(None, []).insert(0, end)
    app.teardown_appcontext(end_late)
    register_operational_routes(state, observer.routes())
    app.register_error_handler(ApiError, lambda error: render_error(state, error))
    _handle_http_exceptions(state)
    _log_failures(state, log)


def guard_blueprint(blueprint: Blueprint, state: ApplicationState) -> None:
    """Answer every error in the views of a blueprint ourselves, also where the application has a handler for it."""

    def handle(error: Exception) -> Any:
        return _answer(state, error)

    blueprint.register_error_handler(Exception, handle)
    blueprint.register_error_handler(InternalServerError, handle)


def answer_failure(state: ApplicationState, error: Exception) -> Any:
    """Answer an error of one view as those of a guarded blueprint are answered; call it where the error was caught.

    Raises:
        Exception: The error itself, where nobody foresaw it and Flask lets such errors through, as in tests.
    """
    try:
        return _answer(state, error)
    except Exception:
        app = state.app
        lets_through = app.config["PROPAGATE_EXCEPTIONS"]
        if app.testing or app.debug if lets_through is None else lets_through:
            raise
        got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
        app.log_exception(sys.exc_info())
        return _answer(state, InternalServerError(original_exception=error))


def _answer(state: ApplicationState, error: Exception) -> Any:
    if isinstance(error, HTTPException):
        if _is_answer(error):
            return error
        error = _as_api_error(state, error)
    if isinstance(error, ApiError):
        response = render_error(state, error)
        _call_back(state, error)
        return response
    # Raised again, the error reaches Flask's own way for what nobody foresaw: signal, log, then a 500.
    raise error


def _call_back(state: ApplicationState, error: ApiError) -> None:
    """Tell the error callback of an answer that is an error; its own failure must not replace the answer."""
    callback = state.settings.get(options.ERROR_CALLBACK)
    if callback is not None:
        try:
            value = None if error.reason == "unexpected_error" else _as_before(error)
            callback(error.error, error.status, value)
        except Exception:
            state.app.logger.exception("The callback of API_ERROR_CALLBACK failed.")


def _as_before(error: ApiError) -> dict[str, Any]:
    """Describe an error to the callback as it always was: phrase and detail (rest 7.2)."""
    return {"error": phrase_of(error.status), "reason": error.message if error.fields is None else error.fields}


def _log_failures(state: ApplicationState, log: AppLog) -> None:
    """Write a line with the request id for every failure nobody foresaw; Flask's own line has the traceback."""
    with_traceback = state.settings.get(options.JSON_LOGS)
    # Applications of one name share a logger, so the filter asks which of them is speaking; adding it again is nothing.
    state.app.logger.addFilter(_without_unwanted_traceback)

    def tell(app: Any, exception: BaseException, **_: Any) -> None:
        if isinstance(exception, StatementError):
            # Also where the engine is one of the application, which shows what clients sent unless told otherwise.
            exception.hide_parameters = True
        # Escaped here and not in our formatters only, because formatters of the host see these values too.
        method, path = one_line(request.method[:2048]), one_line(request.path[:2048])
        context: dict[str, Any] = {"method": method, "path": path}
        scope = current_request()
        if scope is not None:
            context["request_id"] = scope.identity.request_id
        what = one_line(_described(exception)[:2048])
        is_shown = with_traceback and state.settings.get(options.PRINT_EXCEPTIONS)
        traceback = _without_text(exception, what) if is_shown else None
        log.logger.error("%s %s failed: %s", method, path, what, exc_info=traceback, extra=context)

    # The application holds it, and not the signal, which would hold the application for ever.
    state.receivers.append(tell)
    got_request_exception.connect(tell, state.app)


def _without_unwanted_traceback(record: logging.LogRecord) -> bool:
    """Take the traceback from a record of the current application when it wants none; the record itself stays."""
    is_ours = bool(record.exc_info) and has_app_context() and STATE_KEY in current_app.extensions
    if is_ours and not state_of().settings.get(options.PRINT_EXCEPTIONS):
        record.exc_info = record.exc_text = None
    return True


def _described(exception: BaseException) -> str:
    name = type(exception).__name__
    if not isinstance(exception, SQLAlchemyError):
        return f"{name}: {exception}"
    # Its text holds the statement, and often the values that were sent or stored.
    driver = getattr(exception, "orig", None)
    return name if driver is None else f"{name} ({type(driver).__module__}.{type(driver).__qualname__})"


def _without_text(exception: BaseException, what: str) -> BaseException:
    """Give what a traceback may show of an exception: of one of the database only where it was raised."""
    if not isinstance(exception, SQLAlchemyError):
        return exception
    return FlarchitectError(what).with_traceback(exception.__traceback__)


def _log_of(state: ApplicationState) -> AppLog:
    get = state.settings.get
    exclude = get(options.LOG_EXCLUDE) or list(exposed_paths(state))
    redact = get(options.LOG_REDACT)
    return configure(
        state.app.import_name,
        json_logs=get(options.JSON_LOGS),
        requests=get(options.LOG_REQUESTS),
        exclude=[exclude] if isinstance(exclude, str) else exclude,
        slow_ms=get(options.LOG_SLOW_MS),
        sample_rate=get(options.LOG_SAMPLE_RATE),
        redact=([redact] if isinstance(redact, str) else redact) if get(options.LOG_QUERY) else None,
    )


def render_error(state: ApplicationState, error: ApiError) -> Response:
    """Answer the current request with an error (decisions 8)."""
    return state.envelope.error_response(error, instance=request.path)


def _asks_for_problem() -> bool:
    """Say whether problem details were named, and are wanted no less than the envelope."""
    accepted = request.accept_mimetypes
    named = max((quality for mimetype, quality in accepted if mimetype == "application/problem+json"), default=0)
    return named > 0 and named >= accepted["application/json"]


def _refuse_unknown_path(state: ApplicationState) -> None:
    """Answer an unknown path or method below the API ourselves: an HTML page of the application must not."""
    failure = request.routing_exception
    if isinstance(failure, (NotFound, MethodNotAllowed)) and state.owns(request.path):
        raise _as_api_error(state, failure) from failure


def _handle_http_exceptions(state: ApplicationState) -> None:
    app = state.app
    previous = app.error_handler_spec[None][None].get(HTTPException)

    def handle(error: HTTPException) -> Any:
        if _is_answer(error):
            return error
        if state.owns(request.path) or (previous is None and _prefers_json()):
            return render_error(state, _as_api_error(state, error))
        return error if previous is None else current_app.ensure_sync(previous)(error)

    app.register_error_handler(HTTPException, handle)


def handle_http_exception(error: HTTPException) -> Any:
    """Answer the current request with an HTTP exception, for error handlers of the application.

    Returns:
        The one error shape below the API and for clients that prefer JSON, else the exception itself, of which Flask
        makes its own page.
    """
    state = state_of()
    if state.owns(request.path) or _prefers_json():
        return render_error(state, _as_api_error(state, error))
    return error


def handle_exception(error: Any, status_code: int, error_name: str | None = None, print_exc: bool = True) -> Response:
    """Answer with an error that code of the application has caught.

    Args:
        error: What went wrong: an exception, a sentence, or field name to messages. The text of an exception is told
            when its class is made for that, and logged otherwise.
        status_code: 400 to 599.
        error_name: Specific reason for programs, written in snake_case; by default the code of the status.
        print_exc: Whether an exception is logged with its traceback, when the status is of a failure of ours.
    """
    state = state_of()
    if print_exc and status_code >= 500 and isinstance(error, BaseException):
        print_exception(error)
    told = error
    if isinstance(error, BaseException):
        is_for_clients = isinstance(error, (HTTPException, ApiError))
        told = getattr(error, "description", None) or str(error) if is_for_clients else phrase_of(status_code)
    reason = None if error_name is None else convert_case(error_name, "snake")
    failure = CustomHTTPException(status_code, told if isinstance(told, Mapping) else str(told), code_name=reason)
    return render_error(state, failure.as_api_error())


def print_exception(error: BaseException) -> None:
    """Log an exception with its traceback."""
    state_of().app.logger.error("%s: %s", type(error).__name__, one_line(str(error)[:2048]), exc_info=error)


def _is_answer(error: HTTPException) -> bool:
    # An exception that carries a finished response, such as a redirect, is an answer and no error.
    return error.code is None or error.response is not None


def _prefers_json() -> bool:
    accepted = request.accept_mimetypes
    return accepted["application/json"] > accepted["text/html"]


def _as_api_error(state: ApplicationState, error: HTTPException) -> ApiError:
    if isinstance(error, CustomHTTPException):
        return error.as_api_error()
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name.lower() not in ("content-type",)}
    if isinstance(error, InternalServerError):
        return ApiError(_unexpected(state, error), status=status, reason="unexpected_error")
    if isinstance(error, NotFound) and request.routing_exception is not None:
        near = _nearest_paths(state, request.path)
        hint = f" Did you mean {near[0]}?" if near else ""
        return ApiError(
            f"Nothing is at {request.path}.{hint}", status=404, reason="unknown_path", suggestions=near, headers=headers
        )
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(error.valid_methods or ())
        return ApiError(
            f"{request.method} is not allowed on {request.path}. Allowed: {', '.join(allowed)}.",
            status=405,
            reason="method_not_allowed",
            details={"allowed": allowed},
            headers=headers,
        )
    return ApiError(error.description or phrase_of(status), status=status, reason=error_code(status), headers=headers)


def _nearest_paths(state: ApplicationState, path: str) -> list[str]:
    """Find collection paths whose last part is like that of an unknown path."""
    prefix = state.registry.prefix
    by_name = {known.removeprefix(f"{prefix}/"): known for known in state.registry.paths()}
    wanted = path.removeprefix(f"{prefix}/").split("/")[0]
    return [by_name[name] for name in nearest(wanted, by_name) if name != wanted]


def _unexpected(state: ApplicationState, error: InternalServerError) -> str:
    original = error.original_exception
    if original is not None and (state.app.debug or state.settings.get(options.EXPOSE_EXCEPTIONS)):
        return f"{type(original).__name__}: {original}"
    return "Something went wrong on our side. Quote the request id when you report it."
