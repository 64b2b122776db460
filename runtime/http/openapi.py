"""The OpenAPI document, made from the table that serves: nothing can be missing in it."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from inspect import getdoc
from typing import Any

import perdure
from perdure.runtime.client.status_document import JSON

from .answers import OK, json_answer
from .call import CODE, COMMON, Call
from .endpoint import ANY_METHOD, Endpoint
from .keys import HEADER, QUERY, Access
from .parameters import AnyParameter
from .refusal import BAD_REQUEST, FAILURE, FORBIDDEN, TOO_LARGE, UNAUTHORIZED, UNAVAILABLE
from .shapes import (
    COMPONENTS,
    DOCUMENT,
    ENTITY_KEY,
    ENTITY_NAME,
    NEW_ID,
    REFUSED,
    TEXT,
    Schema,
    Shape,
)

PATH = "/openapi.json"
EVERY_METHOD = ("GET", "POST", "PUT", "DELETE", "PATCH")
"""What `ANY_METHOD` is written as."""
IMPLIED = (BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, FAILURE, UNAVAILABLE)
"""How any call may be refused."""

_NAME_IN_PATH = re.compile(r"{(\w+)}")


def openapi_endpoint(table: Sequence[Endpoint]) -> Endpoint:
    """The row of the table that shows the table, itself included."""

    async def get_openapi(call: Call) -> Any:
        """This document."""
        guarded = call.service.keys is not None
        return json_answer(openapi_document(table, call.address.base, guarded=guarded))

    return Endpoint("GET", PATH, get_openapi, (OK,), access=Access.READ, shows={OK: DOCUMENT})


def openapi_document(table: Sequence[Endpoint], url: str, *, guarded: bool) -> Schema:
    """The document of an API that is served at `url`; `guarded` by keys or not."""
    paths: dict[str, Schema] = {}
    seen: dict[str, str] = {}
    for endpoint in table:
        path = paths.setdefault(endpoint.path, {})
        for method in _methods(endpoint):
            path[method.lower()] = _operation(endpoint, _operation_id(endpoint, method, seen))
    document: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "Perdure management API", "version": perdure.__version__},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": COMPONENTS},
    }
    if guarded:
        document["components"] |= {
            "securitySchemes": {
                "code": {"type": "apiKey", "in": "query", "name": QUERY},
                "header": {"type": "apiKey", "in": "header", "name": HEADER},
            }
        }
        document["security"] = [{"code": []}, {"header": []}]
    return document


def _methods(endpoint: Endpoint) -> tuple[str, ...]:
    return EVERY_METHOD if endpoint.method == ANY_METHOD else (endpoint.method,)


def _operation_id(endpoint: Endpoint, method: str, seen: dict[str, str]) -> str:
    """The name of who answers; for another path or method of the same, what is special of it."""
    first, *rest = endpoint.answer.__name__.split("_")
    name = first + "".join(word.capitalize() for word in rest)
    if endpoint.method == ANY_METHOD:
        name += method.capitalize()
    before = seen.setdefault(name, endpoint.path)
    extra = [part for part in _NAME_IN_PATH.findall(endpoint.path) if f"{{{part}}}" not in before]
    return name + "".join(f"With{part[0].upper()}{part[1:]}" for part in extra)


def _operation(endpoint: Endpoint, operation_id: str) -> Schema:
    operation: Schema = {
        "operationId": operation_id,
        "summary": getdoc(endpoint.answer) or "",
        "parameters": [
            *(_in_path(endpoint, name) for name in _NAME_IN_PATH.findall(endpoint.path)),
            *(_parameter(parameter, "query") for parameter in endpoint.query),
            *(_parameter(parameter, "query") for parameter in COMMON if parameter is not CODE),
            *(_parameter(parameter, "header") for parameter in endpoint.headers),
        ],
        "responses": _responses(endpoint),
    }
    if endpoint.body != "none":
        operation["requestBody"] = _body(endpoint)
    return operation


def _in_path(endpoint: Endpoint, name: str) -> Schema:
    known = {"entityName": ENTITY_NAME, "entityKey": ENTITY_KEY}
    if endpoint.path.startswith("/orchestrators"):
        known["instanceId"] = NEW_ID
    schema = known.get(name, TEXT | {"minLength": 1})
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: AnyParameter, place: str) -> Schema:
    shown: Schema = {
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": parameter.required,
        "schema": _schema(parameter),
    }
    if place == "query" and not parameter.required:
        shown["allowEmptyValue"] = True
    if parameter.kind in {"list", "texts"}:
        shown |= {"style": "form", "explode": parameter.kind == "texts"}
    return shown


def _schema(parameter: AnyParameter) -> Schema:
    match parameter.kind:
        case "list":
            items: Schema = {"enum": list(parameter.choices)} if parameter.choices else {}
            return {"type": "array", "items": TEXT | items}
        case "texts":
            form: Schema = {"pattern": parameter.pattern} if parameter.pattern else {}
            return {"type": "array", "items": TEXT | form}
        case "date-time":
            return TEXT | {"format": "date-time"}
        case kind:
            schema: Schema = {"type": kind}
    if parameter.default is not None:
        schema["default"] = parameter.default
    if parameter.least is not None:
        schema["minimum"] = parameter.least
    if parameter.pattern is not None:
        schema["pattern"] = parameter.pattern
    return schema


def _body(endpoint: Endpoint) -> Schema:
    content: Schema = {JSON: {"schema": endpoint.takes.schema}}
    if endpoint.body == "json or text":
        content["text/plain"] = {"schema": TEXT}
    return {
        "description": endpoint.takes.about,
        "required": endpoint.body == "json",
        "content": content,
    }


def _responses(endpoint: Endpoint) -> Schema:
    refusals = (TOO_LARGE,) if endpoint.body != "none" else ()
    codes = sorted({*endpoint.answers, *IMPLIED, *refusals})
    return {str(code): _response(code, endpoint.shows.get(code)) for code in codes}


def _response(code: int, shape: Shape | None) -> Schema:
    if shape is None:
        about, schemas, media_type = HTTPStatus(code).phrase, [REFUSED.schema], JSON
    else:
        refused = [REFUSED.schema] if code in IMPLIED else []
        about, media_type = shape.about, shape.media_type
        schemas = [schema for schema in (shape.schema, *refused) if schema is not None]
    response: Schema = {"description": about}
    if schemas:
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        response["content"] = {media_type: {"schema": schema}}
    if shape is not None and (shape.headers or shape.optional_headers):
        response["headers"] = {
            name: {"description": about, "required": name in shape.headers, "schema": TEXT}
            for name, about in (shape.headers | shape.optional_headers).items()
        }
    return response
