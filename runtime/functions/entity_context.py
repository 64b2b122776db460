"""The context of entity functions of the 1.x model, over the one that this package's own have."""

from collections.abc import Callable
from typing import Any, Self

from perdure.actors.context import EntityContext

from .payloads import Raw, TaggedCodec


class DurableEntityContext:
    """What an entity function of the 1.x model is given; names and behaviour are those of 1.x.

    The state that `get_state` gives is the entity's own: what is changed in it stays.
    """

    def __init__(self, inner: EntityContext, codec: TaggedCodec) -> None:
        self._inner = inner
        self._codec = codec
        self._state: Any = None
        self._is_live = False
        """Whether `_state` counts, and not what was stored before the operation."""

    @property
    def entity_name(self) -> str:
        """The name, in lower case."""
        return self._inner.entity_name

    @property
    def entity_key(self) -> str:
        """The key."""
        return self._inner.entity_key

    @property
    def operation_name(self) -> str:
        """The operation as the caller wrote it."""
        return self._inner.operation_name

    @property
    def is_newly_constructed(self) -> bool:
        """False: 1.x does not tell. `get_state` with an initializer is the way."""
        return False

    def get_input(self, expected_type: type | None = None) -> Any:
        """The operation's input."""
        payload = self._inner.get_input(Raw)
        return self._codec.decode(payload, expected_type, f"input of {self.operation_name}")

    def get_state(
        self, initializer: Callable[[], Any] | None = None, expected_type: type | None = None
    ) -> Any:
        """The state; without one what `initializer` returns, which `set_state` has to keep."""
        if not self._is_live:
            payload = self._inner.get_state(None, Raw)
            self._state = self._codec.decode(payload, expected_type, self._what)
            self._is_live = True
        if self._state is not None or initializer is None:
            return self._state
        if not callable(initializer):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError("initializer argument needs to be a callable function")
        return initializer()

    def set_state(self, state: Any) -> None:
        """Replace the state."""
        self._state, self._is_live = state, True

    def set_result(self, result: Any) -> None:
        """What the caller gets."""
        self._inner.set_result(result)

    def destruct_on_exit(self) -> None:
        """Delete the entity once the operation has ended, unless its state is set again."""
        self.set_state(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The operation has ended, or has raised, which the engine decides about."""
        if self._is_live:
            self._inner.set_state(self._state)

    @property
    def _what(self) -> str:
        return f"state of {self._inner.entity_id}"
