"""What those who wait ask the store time and again: one look for all who want one."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from attrs import frozen

from ...actors.errors import StoreCorruptError, StoreError
from ...actors.status import Status
from ...persistence.records import InstanceRow
from ...persistence.store import Store
from ..lanes import Lane
from .convoy import Convoy
from .foreseeing import awaited, looked_at

Wanted = Literal["version", "row", "outlook", "answer"]
Outlook = tuple[InstanceRow | None, Status]


@frozen
class Question:
    """What is asked, and of which instance or request."""

    wanted: Wanted
    id: str = ""


class Inquiries:
    """Asks for the clients of one event loop."""

    def __init__(self, store: Store, lane: Lane) -> None:
        self._store = store
        self._convoy: Convoy[Question, Any] = Convoy(lane, self._look, _may_be_to_blame)

    async def version(self) -> int:
        """See `Store.version`."""
        version: int = await self._convoy.join(Question("version"))
        return version

    async def row(self, instance_id: str) -> InstanceRow | None:
        """An instance as those see it who wait for it."""
        row: InstanceRow | None = await self._convoy.join(Question("row", instance_id))
        return row

    async def outlook(self, instance_id: str) -> Outlook:
        """An instance as it is, and the status that it will have."""
        outlook: Outlook = await self._convoy.join(Question("outlook", instance_id))
        return outlook

    async def answer(self, request_id: str) -> str | None:
        """Take the answer to a request, if there is one."""
        answer: str | None = await self._convoy.join(Question("answer", request_id))
        return answer

    def _look(self, questions: list[Question]) -> list[Any]:
        wanted: dict[Wanted, set[str]] = {what: set() for what in get_args(Wanted)}
        for question in questions:
            wanted[question.wanted].add(question.id)
        # The version first, so that it is no newer than what is seen.
        found = {what: self._found(what, ids) for what, ids in wanted.items() if ids}
        return [found[question.wanted].get(question.id) for question in questions]

    def _found(self, what: Wanted, ids: set[str]) -> Mapping[str, Any]:
        match what:
            case "version":
                return dict.fromkeys(ids, self._store.version())
            case "row":
                return awaited(self._store, ids)
            case "outlook":
                return looked_at(self._store, ids)
            case "answer":
                return self._store.take_replies(ids)


def _may_be_to_blame(_: Question, error: BaseException) -> bool:
    return isinstance(error, StoreCorruptError) or not isinstance(error, StoreError)
