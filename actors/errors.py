"""The one tree of errors: each says when it is raised, and has its facts as fields."""

from collections.abc import Sequence

from .failure import FailureDetails
from .status import Status


class PerdureError(Exception):
    """The base of all errors that Perdure raises."""


# What the programmer wrote


class RegistrationError(PerdureError):
    """Raised when a definition cannot work: a name given twice, or an unusable signature."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"cannot register {name!r}: {problem}")
        self.name = name
        self.problem = problem


class DefinitionNotFoundError(PerdureError):
    """Raised when no definition of that kind and name is registered with the App."""

    non_retriable = True

    def __init__(self, kind: str, name: str, known: Sequence[str] = ()) -> None:
        shown_max = 8
        more = ", ..." if len(known) > shown_max else ""
        near = f"; registered: {', '.join(sorted(known)[:shown_max])}{more}" if known else ""
        super().__init__(f"no {kind} {name!r} is registered{near}")
        self.kind = kind
        self.name = name


class OperationNotFoundError(PerdureError):
    """Raised to the caller of an operation that the entity does not have."""

    non_retriable = True

    def __init__(self, entity: str, operation: str, known: Sequence[str] = ()) -> None:
        near = f"; it has: {', '.join(known)}" if known else ""
        super().__init__(f"entity {entity!r} has no operation {operation!r}{near}")
        self.entity = entity
        self.operation = operation


class ArityError(PerdureError, TypeError):
    """Raised when a call does not fit the parameters of the function that it names."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"wrong arguments for {name!r}: {problem}")
        self.name = name


class InstanceIdError(PerdureError, ValueError):
    """Raised when a text cannot be the id of an instance or an entity."""

    def __init__(self, instance_id: object, problem: str) -> None:
        longest = 80
        shown = instance_id
        if isinstance(instance_id, str) and len(instance_id) > longest:
            shown = instance_id[:longest] + "..."
        super().__init__(f"{shown!r} cannot be an id: {problem}")
        self.instance_id = instance_id


class PayloadError(PerdureError, TypeError):
    """Raised when a value cannot become JSON, or JSON cannot become the annotated type."""

    non_retriable = True

    def __init__(self, path: str, type_name: str, problem: str) -> None:
        super().__init__(f"{path} ({type_name}): {problem}")
        self.path = path
        self.type_name = type_name
        self.problem = problem


class PayloadTooLargeError(PerdureError, ValueError):
    """Raised when a payload is larger than the cap. Store the data elsewhere and pass its key."""

    non_retriable = True

    def __init__(self, what: str, size: int, size_max: int) -> None:
        super().__init__(f"{what} has {size} bytes, more than the cap of {size_max}")
        self.what = what
        self.size = size
        self.size_max = size_max


class NotDurableError(PerdureError, RuntimeError):
    """Raised inside an orchestrator at a call that a replay could not repeat."""

    non_retriable = True

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} is not durable inside an orchestrator; {instead}")
        self.what = what
        self.instead = instead


class LockingRulesViolationError(PerdureError, RuntimeError):
    """Raised in the orchestrator at a call that is not allowed around or inside entity locks."""


class NonDeterminismError(PerdureError):
    """Says that the code at hand does not do what the history recorded. The instance is parked."""

    def __init__(
        self,
        instance_id: str,
        recorded: str,
        actual: str,
        source: str | None = None,
        listing: Sequence[tuple[str, str]] = (),
    ) -> None:
        where = f" at {source}" if source else ""
        super().__init__(
            f"instance {instance_id!r}: the history recorded {recorded}, "
            f"the code now does {actual}{where}"
        )
        self.instance_id = instance_id
        self.recorded = recorded
        self.actual = actual
        self.source = source
        self.listing = tuple(listing)
        """Recorded and actual calls side by side, in the order of their ids."""


# What happened to work


class TaskFailedError(PerdureError):
    """Raised by awaiting an activity, a child or an entity operation that failed."""

    def __init__(self, name: str, task_id: int, details: FailureDetails) -> None:
        super().__init__(f"{name} (task {task_id}) failed: {details}")
        self.name = name
        self.task_id = task_id
        self.details = details


class EntityOperationFailedError(TaskFailedError):
    """Raised to the caller of an entity operation that raised; the entity kept its state."""


class TaskCancelledError(PerdureError):
    """Raised by awaiting a task on which `cancel()` was called."""


class HttpRequestError(PerdureError):
    """What `TaskFailedError` tells of an HTTP call without an answer, or with one to retry."""

    def __init__(self, method: str, uri: str, problem: str, status_code: int | None = None) -> None:
        shown = uri.partition("?")[0]
        super().__init__(f"{method} {shown}: {problem}")
        self.method = method
        self.uri = shown
        self.status_code = status_code

    def failure_properties(self) -> dict[str, object]:
        """What the failure's details keep."""
        return {"method": self.method, "uri": self.uri, "status_code": self.status_code}


class TokenNotAvailableError(PerdureError):
    """What `TaskFailedError` tells of an HTTP call whose access token nobody provides."""

    non_retriable = True

    def __init__(self, resource: str) -> None:
        super().__init__(
            f"no access token for {resource!r} is available; "
            "give the App a way to get one: App(token_provider=...)"
        )
        self.resource = resource


class InstanceNotFoundError(PerdureError, LookupError):
    """Raised when there is no instance with that id."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"there is no instance {instance_id!r}")
        self.instance_id = instance_id


class InstanceAlreadyExistsError(PerdureError):
    """Raised when an id is taken by an instance that the reuse policy does not let go."""

    non_retriable = True

    def __init__(self, instance_id: str, status: Status) -> None:
        super().__init__(
            f"instance {instance_id!r} already exists and is {status.label}; "
            "choose another id, or a reuse policy that allows its replacement"
        )
        self.instance_id = instance_id
        self.status = status


class InstanceStateError(PerdureError):
    """Raised when an instance's status does not allow what was asked of it."""

    def __init__(self, instance_id: str, status: Status, operation: str) -> None:
        super().__init__(f"cannot {operation} instance {instance_id!r}: it is {status.label}")
        self.instance_id = instance_id
        self.status = status
        self.operation = operation


class OrchestrationFailedError(PerdureError):
    """Raised by `result()` of an instance that failed or was terminated."""

    def __init__(self, instance_id: str, status: Status, details: FailureDetails) -> None:
        super().__init__(f"instance {instance_id!r} {status.label.lower()}: {details}")
        self.instance_id = instance_id
        self.status = status
        self.details = details


class HistoryUnreadableError(PerdureError):
    """Raised for a history that is damaged, or that a newer Perdure has written.

    The instance is parked. Terminate and purge it, bring it back from a backup, or read it with
    the newer version.
    """

    def __init__(self, instance_id: str, turn: int, problem: str) -> None:
        text = f"the history of {instance_id!r} cannot be read from turn {turn} on"
        super().__init__(f"{text}, which is damaged or of a newer Perdure: {problem}")
        self.instance_id = instance_id
        self.turn = turn


# What happened to the store or the runtime


class StoreError(PerdureError):
    """Raised when the store cannot do what was asked; the message says what an operator can do."""


class StoreNotFoundError(StoreError):
    """Raised when a store has to be there already, and is not."""


class StoreInUseError(StoreError):
    """Raised when another runtime already owns this store."""


class StoreCorruptError(StoreError):
    """Raised when the store's content cannot be what Perdure wrote."""


class StoreVersionError(StoreError):
    """Raised when the store was written by another Perdure, and cannot be used as it is."""


class StaleOwnerError(StoreError):
    """Raised at a commit by a former owner: another runtime has taken the store over."""


class ClaimLostError(StoreError):
    """Raised at a commit when somebody else has started the same instance id in the meantime."""


class RuntimeClosedError(PerdureError):
    """Raised when a runtime is asked for something before it was entered or after it was left."""


# Control flow that user code must let pass


class Cancelled(BaseException):
    """Raised in a fiber whose cancel scope was cancelled. Clean up and let it pass."""
