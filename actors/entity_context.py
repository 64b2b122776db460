"""What an entity operation may use beside its state."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from .history import NO_ID, EntityOperationSignaled, ExecutionStarted, Payload
from .identity import EntityId, checked_instance_id, entity_id_of
from .messages import Message
from .moments import micros, moment
from .targets import checked_tags, operation_call, orchestration_call

if TYPE_CHECKING:
    from .entity import Entity

T = TypeVar("T")


class EntityContext:
    """The context of one operation; a parameter with this annotation receives it.

    What it sends and starts happens when the operation's state is durable, and not at all when
    the operation raises.
    """

    def __init__(
        self, entity: "Entity", operation: str, payload: Payload, now: int, position: int
    ) -> None:
        self._entity = entity
        self._operation = operation
        self._payload = payload
        self._now = now
        self.batch_position = position
        """How many operations ran before this one in the same batch."""
        self.state: Payload = entity.state
        self.result: Payload = None
        self.has_result = False
        self.keeps_state = False
        """Whether a state that was set stays although the operation raises afterwards."""
        self.sent: list[Message] = []

    @property
    def entity_id(self) -> EntityId:
        """Name and key."""
        return self._entity.entity_id

    @property
    def entity_name(self) -> str:
        """The name, in lower case."""
        return self.entity_id.name

    @property
    def entity_key(self) -> str:
        """The key."""
        return self.entity_id.key

    @property
    def operation_name(self) -> str:
        """The operation as the caller wrote it."""
        return self._operation

    @property
    def current_utc_datetime(self) -> datetime:
        """When the batch began: aware, UTC."""
        return moment(self._now)

    @property
    def has_state(self) -> bool:
        """Whether the entity exists."""
        return self.state is not None

    def get_input(self, type_: Any = Any) -> Any:
        """The operation's input, read as `type_`; None without one."""
        if self._payload is None:
            return None
        return self._entity.codec.read(self._payload, type_, f"input of {self._operation}")

    def get_state(self, initial: Callable[[], Any] | None = None, type_: Any = Any) -> Any:
        """A copy of the state, read as `type_`; without one `initial()`, or None.

        Changes of the copy count only after `set_state`.
        """
        if self.state is None:
            return initial() if initial is not None else None
        return self._entity.codec.read(self.state, type_, f"state of {self.entity_id}")

    def set_state(self, state: object) -> None:
        """Replace the state; None deletes the entity. Raises `PayloadError` at once."""
        self.state = self._entity.codec.write(state, f"state of {self.entity_id}")
        self._entity.detach()

    def delete_state(self) -> None:
        """Delete the entity; the next operation creates it anew."""
        self.set_state(None)

    def set_result(self, result: object) -> None:
        """What the caller gets; for function style, where a returned value serves as well."""
        self.result = self._entity.codec.write(result, f"result of {self._operation}")
        self.has_result = True

    def entity(self, entity: type[Any] | Callable[..., Any] | str, key: str) -> EntityId:
        """The id of an entity, by its class, function or name."""
        return EntityId(self._entity.app.entity_name(entity), key)

    def signal_entity(
        self, entity: EntityId, operation: Any, *args: Any, at: datetime | None = None
    ) -> None:
        """Send an operation to another entity, or to this one: once, in order, not before `at`."""
        entity = entity_id_of(entity)
        call = operation_call(self._entity.app, entity, operation, args, None)
        due = micros(at) if at is not None else None
        event = EntityOperationSignaled(
            self._now, NO_ID, self._entity.new_id(), call.name, str(entity), call.input, due
        )
        self.sent.append(Message(str(entity), event, due=due))

    def start_new(
        self,
        orchestration: Callable[..., Any] | str,
        *args: Any,
        instance_id: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        start_at: datetime | None = None,
    ) -> str:
        """Start an orchestration; returns its id. Does nothing if one with that id is running."""
        if instance_id is not None:
            checked_instance_id(instance_id)
        call = orchestration_call(self._entity.app, orchestration, args, None, version)
        target = instance_id or self._entity.new_id()
        due = micros(start_at) if start_at is not None else None
        event = ExecutionStarted(
            self._now,
            call.name,
            self._entity.new_id(),
            call.version,
            call.input,
            None,
            checked_tags(tags),
            due,
        )
        self.sent.append(Message(target, event))
        return target
