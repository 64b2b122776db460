"""Perdure: durable actors inside a Python program.

Orchestrations, entities and activities that outlive their process; see `App` and `Runtime`.
"""

from perdure.actors.app import App as App
from perdure.actors.context import ActivityContext as ActivityContext
from perdure.actors.context import EntityContext as EntityContext
from perdure.actors.context import EntityLock as EntityLock
from perdure.actors.context import EntityProxy as EntityProxy
from perdure.actors.context import OrchestrationContext as OrchestrationContext
from perdure.actors.conventions import default_converter as default_converter
from perdure.actors.durable_http import DurableHttpRequest as DurableHttpRequest
from perdure.actors.durable_http import DurableHttpResponse as DurableHttpResponse
from perdure.actors.durable_http import HttpRetryPolicy as HttpRetryPolicy
from perdure.actors.durable_http import TokenSource as TokenSource
from perdure.actors.effects import Parked as Parked
from perdure.actors.errors import ArityError as ArityError
from perdure.actors.errors import DefinitionNotFoundError as DefinitionNotFoundError
from perdure.actors.errors import EntityOperationFailedError as EntityOperationFailedError
from perdure.actors.errors import HistoryUnreadableError as HistoryUnreadableError
from perdure.actors.errors import HttpRequestError as HttpRequestError
from perdure.actors.errors import InstanceAlreadyExistsError as InstanceAlreadyExistsError
from perdure.actors.errors import InstanceIdError as InstanceIdError
from perdure.actors.errors import InstanceNotFoundError as InstanceNotFoundError
from perdure.actors.errors import InstanceStateError as InstanceStateError
from perdure.actors.errors import LockingRulesViolationError as LockingRulesViolationError
from perdure.actors.errors import NonDeterminismError as NonDeterminismError
from perdure.actors.errors import NotDurableError as NotDurableError
from perdure.actors.errors import OperationNotFoundError as OperationNotFoundError
from perdure.actors.errors import OrchestrationFailedError as OrchestrationFailedError
from perdure.actors.errors import PayloadError as PayloadError
from perdure.actors.errors import PayloadTooLargeError as PayloadTooLargeError
from perdure.actors.errors import PerdureError as PerdureError
from perdure.actors.errors import RegistrationError as RegistrationError
from perdure.actors.errors import RuntimeClosedError as RuntimeClosedError
from perdure.actors.errors import StoreCorruptError as StoreCorruptError
from perdure.actors.errors import StoreError as StoreError
from perdure.actors.errors import StoreInUseError as StoreInUseError
from perdure.actors.errors import StoreNotFoundError as StoreNotFoundError
from perdure.actors.errors import StoreVersionError as StoreVersionError
from perdure.actors.errors import TaskCancelledError as TaskCancelledError
from perdure.actors.errors import TaskFailedError as TaskFailedError
from perdure.actors.errors import TokenNotAvailableError as TokenNotAvailableError
from perdure.actors.failure import FailureDetails as FailureDetails
from perdure.actors.identity import EntityId as EntityId
from perdure.actors.retry import RetryPolicy as RetryPolicy
from perdure.actors.status import Status as Status
from perdure.actors.tasks import Task as Task
from perdure.actors.trace import TraceContext as TraceContext
from perdure.runtime.client.client import Client as Client
from perdure.runtime.client.control import Reuse as Reuse
from perdure.runtime.client.handles import ClientEntity as ClientEntity
from perdure.runtime.client.handles import Instance as Instance
from perdure.runtime.client.management import ManagementUrl as ManagementUrl
from perdure.runtime.client.progress import Follower as Follower
from perdure.runtime.client.progress import HistoryMark as HistoryMark
from perdure.runtime.client.progress import Progress as Progress
from perdure.runtime.client.views import EntityState as EntityState
from perdure.runtime.client.views import HistoryEvent as HistoryEvent
from perdure.runtime.client.views import InstancePage as InstancePage
from perdure.runtime.client.views import InstanceStatus as InstanceStatus
from perdure.runtime.client.views import PurgeResult as PurgeResult
from perdure.runtime.client.views import QueueStatus as QueueStatus
from perdure.runtime.client.views import Waiting as Waiting
from perdure.runtime.client.views import WorkerStatus as WorkerStatus
from perdure.runtime.host import Runtime as Runtime
from perdure.runtime.lifecycle import Lifecycle as Lifecycle
from perdure.runtime.lifecycle import LifecycleEvent as LifecycleEvent
from perdure.runtime.retention import Retention as Retention
from perdure.runtime.settings import Settings as Settings
from perdure.runtime.webhooks import Webhook as Webhook

__version__ = "0.1.0"

__all__ = [
    "ActivityContext",
    "App",
    "ArityError",
    "Client",
    "ClientEntity",
    "DefinitionNotFoundError",
    "DurableHttpRequest",
    "DurableHttpResponse",
    "EntityContext",
    "EntityId",
    "EntityLock",
    "EntityOperationFailedError",
    "EntityProxy",
    "EntityState",
    "FailureDetails",
    "Follower",
    "HistoryEvent",
    "HistoryMark",
    "HistoryUnreadableError",
    "HttpRequestError",
    "HttpRetryPolicy",
    "Instance",
    "InstanceAlreadyExistsError",
    "InstanceIdError",
    "InstanceNotFoundError",
    "InstancePage",
    "InstanceStateError",
    "InstanceStatus",
    "Lifecycle",
    "LifecycleEvent",
    "LockingRulesViolationError",
    "ManagementUrl",
    "NonDeterminismError",
    "NotDurableError",
    "OperationNotFoundError",
    "OrchestrationContext",
    "OrchestrationFailedError",
    "Parked",
    "PayloadError",
    "PayloadTooLargeError",
    "PerdureError",
    "Progress",
    "PurgeResult",
    "QueueStatus",
    "RegistrationError",
    "Retention",
    "RetryPolicy",
    "Reuse",
    "Runtime",
    "RuntimeClosedError",
    "Settings",
    "Status",
    "StoreCorruptError",
    "StoreError",
    "StoreInUseError",
    "StoreNotFoundError",
    "StoreVersionError",
    "Task",
    "TaskCancelledError",
    "TaskFailedError",
    "TokenNotAvailableError",
    "TokenSource",
    "TraceContext",
    "Waiting",
    "Webhook",
    "WorkerStatus",
    "__version__",
    "default_converter",
]


def _name_errors_after_this_door() -> None:
    """Let failures be recorded, and tracebacks show, the names that users import."""
    for name in __all__:
        member = globals()[name]
        if isinstance(member, type) and issubclass(member, PerdureError):
            member.__module__ = __name__


_name_errors_after_this_door()
