"""Bodies: from what was sent to the arguments of an orchestration or an operation."""

from typing import Any, TypeGuard

from starlette.requests import Request

from perdure.actors.app import App
from perdure.actors.codec import Codec
from perdure.actors.definitions import MISSING, Signature
from perdure.runtime.client.status_document import JSON

from .call import Call
from .refusal import BAD_REQUEST, Refusal

NOTHING: Any = object()
"""What an empty body holds; the JSON text `null` is None."""


def says_json(request: Request) -> bool:
    """Whether the content type is JSON's."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON


async def json_body(call: Call, codec: Codec) -> Any:
    """The value in the body, or `NOTHING`; raises `PayloadError`, and `Refusal` for its size."""
    body = await call.body()
    if not body.strip():
        return NOTHING
    value = codec.read(_text(body), Any, "body")
    if call.service.nested_json and isinstance(value, str):
        value = codec.read(value, Any, "text in the body")
    return value


async def json_or_text_body(call: Call, codec: Codec) -> Any:
    """The value of a body that is JSON if it says so, and else a text."""
    if says_json(call.request):
        return await json_body(call, codec)
    body = await call.body()
    return _text(body) if body else NOTHING


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(BAD_REQUEST, f"the body is not UTF-8: {error.reason}") from error


def orchestration_arguments(
    app: App, name: str, version: str | None, value: Any
) -> tuple[Any, ...]:
    """The arguments of an orchestration.

    Raises `DefinitionNotFoundError`, and `PayloadError` or `ArityError` for what does not fit. An
    App without orchestrations is that of a client elsewhere, which cannot tell.
    """
    if not app.orchestrations:
        return () if value is NOTHING else (value,)
    definition = app.orchestration_of(name, version)
    return _arguments(definition.signature, app.codec, value)


def operation_arguments(app: App, entity: str, operation: str, value: Any) -> tuple[Any, ...]:
    """The arguments of an entity's operation; raises as for an orchestration."""
    definition = app.entities.get(entity)
    if definition is None or definition.kind == "function" or definition.is_implicit(operation):
        return () if value is NOTHING else (value,)
    return _arguments(definition.operation(operation).signature, app.codec, value)


def _arguments(signature: Signature, codec: Codec, value: Any) -> tuple[Any, ...]:
    arguments = _spread(signature, value)
    path = f"input of {signature.name}"
    # Read as it will be read later: who sends what does not fit is told now.
    signature.read(codec, signature.write(codec, arguments, path), path)
    return arguments


def _spread(signature: Signature, value: Any) -> tuple[Any, ...]:
    takes_array = len(signature.inputs) > 1 or signature.variadic is not MISSING
    if takes_array and _is_list(value):
        return tuple(value)
    if value is NOTHING:
        # One that takes a value gets None, as if null had been sent; it may refuse that.
        required = len(signature.inputs) == 1 and signature.inputs[0].required
        return (None,) if required and not takes_array else ()
    if value is None and not signature.inputs:
        return ()
    return (value,)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
