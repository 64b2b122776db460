"""A logger for orchestrators, silent during replay."""

import logging
from collections.abc import MutableMapping
from typing import Any

from .replay import Execution


class ReplaySafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger that is silent while old events are applied; records carry the instance's fields."""

    def __init__(self, execution: Execution) -> None:
        identity = execution.identity
        fields = {
            "instance_id": identity.instance_id,
            "execution_id": identity.execution_id,
            "orchestration": identity.name,
        }
        super().__init__(logging.getLogger(f"perdure.orchestration.{identity.name}"), fields)
        self._execution = execution

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the standard library's name
        """Whether a record of this level would be written now."""
        execution = self._execution
        silent = execution.replaying or execution.kernel.closed
        return not silent and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the instance's fields to those of the call."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
