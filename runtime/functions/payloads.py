"""Payloads as `azure-functions-durable` 1.x writes and reads them.

1.  Values are what Python's `json` writes. A value of a class of the user's is written by its
    `to_json`, inside an object that tells the class: `__class__`, `__module__` and `__data__`.
2.  Such an object, wherever it lies in a payload, is read by the `from_json` of its class, which
    is looked for among the app's own modules and then among all that are loaded. A type that the
    reader expects serves when it bears that name.
3.  Plain values are read as they are: an expected type turns nothing into something else.
"""

import json
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from attrs import frozen

from perdure.actors.codec import PAYLOAD_BYTES_MAX, Codec
from perdure.actors.errors import PayloadError, PayloadTooLargeError
from perdure.actors.history import Payload

CLASS, MODULE, DATA = "__class__", "__module__", "__data__"


@frozen
class Written:
    """A value that was written when the call was made, for a call that is asked for later."""

    payload: Payload


class Raw:
    """Stands for the type of a payload that is to be given as the text that it is."""


class TaggedCodec(Codec):
    """The codec of a Functions app."""

    def __init__(
        self, modules: Mapping[str, ModuleType], payload_bytes_max: int = PAYLOAD_BYTES_MAX
    ) -> None:
        super().__init__(None, payload_bytes_max)  # pyright: ignore[reportUnknownMemberType]  # half typed in cattrs
        self._modules = modules

    def write(self, value: Any, path: str) -> Payload:
        """The value as JSON text; raises `PayloadError` and `PayloadTooLargeError`."""
        if value is None:
            return None
        if isinstance(value, Written):
            return value.payload
        try:
            text = json.dumps(value, default=_tagged, ensure_ascii=False, allow_nan=False)
            size = len(text.encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise PayloadError(path, type(value).__qualname__, f"is not JSON: {error}") from error
        if size > self.payload_bytes_max:
            raise PayloadTooLargeError(path, size, self.payload_bytes_max)
        return text

    def read(self, payload: Payload, type_: Any, path: str) -> Any:
        """The value; one that is tagged comes as an object of its class."""
        if type_ is Raw:
            return payload
        value = self.decode(payload, type_ if isinstance(type_, type) else None, path)
        if type_ in (Any, object) or (isinstance(type_, type) and isinstance(value, type_)):
            return value
        return self.structure(value, type_, path)

    def decode(self, payload: Payload, expected: type | None, path: str) -> Any:
        """The value, whatever type was expected; raises `PayloadError` for an unknown class."""
        if payload is None:
            return None

        def restored(found: dict[str, Any]) -> Any:
            if not (CLASS in found and MODULE in found and DATA in found):
                return found
            cls = self._class(found[MODULE], found[CLASS], expected)
            if cls is None:
                name = f"{found[MODULE]}.{found[CLASS]}"
                problem = "is not loaded; import its module in the app, with from_json on the class"
                raise PayloadError(path, name, problem)
            return cls.from_json(found[DATA])

        try:
            return json.loads(payload, object_hook=restored)
        except json.JSONDecodeError as error:
            raise PayloadError(path, "text", f"is not JSON: {error}") from error

    def _class(self, module: Any, name: Any, expected: type | None) -> Any:
        place = self._modules.get(str(module)) or sys.modules.get(str(module))
        found: object = getattr(place, str(name), None)
        if found is None and expected is not None and expected.__name__ == name:
            found = expected
        return found if callable(getattr(found, "from_json", None)) else None


def _tagged(value: Any) -> dict[str, Any]:
    cls: Any = value.__class__
    if not callable(getattr(cls, "to_json", None)):
        raise TypeError(f"{cls.__qualname__} has no to_json, and no from_json to read it again")
    return {CLASS: cls.__name__, MODULE: cls.__module__, DATA: cls.to_json(value)}
