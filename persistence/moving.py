"""A whole hub copied from one store into another: offline, verified, to be gone on with.

1.  Both are owned meanwhile, so that no runtime runs either: the source by the caller, before
    there is a target.
2.  The target bears a mark from before the first row until everything has been found equal. No
    runtime or client opens what bears it, so that a copy that was killed is never taken for a hub.
3.  What is copied is read back and compared, batch by batch. What is there already is compared
    too, and replaced when it differs: going on is beginning anew, but for the writing.
4.  Clients may have sent something to the source in the meantime, runtime or not. Then there is
    another pass over it; it is done when a pass began and ended at the same version of the source.

Answers that wait for clients in other processes stay behind: so do those who wait for them.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from attrs import define, evolve, field

from ..actors.errors import StoreCorruptError, StoreError
from .archive import write_whole
from .records import Commit, Query, Whole
from .store import Fillable, Store

BATCH_MAX = 100
_BATCH_CHARACTERS_MAX = 8_000_000
_PASSES_MAX = 5
_PAGE = 1_000

Advance = Callable[[float, float | None], object]
"""Called after each batch with how many actors are done, and of how many."""


class NotEmptyError(StoreError):
    """Raised when the target holds something that no move has put there."""


@define
class Moved:
    """What was copied, and how much of it an earlier run had copied already."""

    orchestrations: int = 0
    entities: int = 0
    turns: int = 0
    timers: int = 0
    messages: int = 0
    actors: int = 0
    """Orchestrations, entities, and those that only messages wait for."""
    resumed: int = 0
    """How many of the actors were there before."""


def move(source: Store, target: Fillable, advance: Advance, batch_max: int = BATCH_MAX) -> Moved:
    """Copy everything from a source that the caller owns.

    Raises `NotEmptyError`, `StoreInUseError` and `StoreError`.

    When it is interrupted, the target bears the mark, and the same call goes on.
    """
    epoch = target.own()
    resumed = target.is_unfinished()
    if not resumed and next(iter(target.export()), None) is not None:
        return _moved_before(source, target, batch_max)
    target.mark_unfinished()
    before: int | None = None
    for _ in range(_PASSES_MAX):
        version = source.version()
        moved = _Pass(source, target, epoch, advance, batch_max).run()
        before = moved.resumed if before is None else before
        if source.version() == version:
            target.mark_finished()
            return evolve(moved, resumed=before)
    raise StoreError(
        f"{source.location} keeps changing: stop the clients that send to it, and run this again"
    )


def _moved_before(source: Store, target: Store, batch_max: int) -> Moved:
    """What there is to say when the target is a hub: that it is the same, or in the way."""
    moved = Moved()
    for batch in _batches(source.export(), batch_max):
        for whole in _differing(batch, _there(target, batch)):
            raise NotEmptyError(
                f"{target.location} is a hub already, and {whole.id!r} is not the same in it: "
                "name a new one"
            )
        _tally(moved, batch)
    if sum(1 for _ in target.export()) != moved.actors:
        raise NotEmptyError(f"{target.location} is a hub already, with more in it: name a new one")
    moved.resumed = moved.actors
    return moved


@define
class _Pass:
    """Once over everything."""

    _source: Store
    _target: Store
    _epoch: int
    _advance: Advance
    _batch_max: int
    _moved: Moved = field(init=False, factory=Moved)

    def run(self) -> Moved:
        moved = self._moved
        total = _size(self._source)
        for batch in _batches(self._source.export(), self._batch_max):
            moved.resumed += self._copy(batch)
            _tally(moved, batch)
            self._advance(moved.actors, total)
        self._delete_what_is_gone()
        return moved

    def _copy(self, batch: list[Whole]) -> int:
        """Make the target hold these; returns how many it held already."""
        if damage := next((whole.damage for whole in batch if whole.damage), None):
            raise StoreCorruptError(f"{self._source.location}: {damage}")
        there = _there(self._target, batch)
        differing = _differing(batch, there)
        if not differing:
            return len(batch)
        self._delete([there[whole.id] for whole in differing if whole.id in there])
        if in_the_way := self._installed(differing):
            raise StoreError(f"{self._target.location}: somebody else writes {in_the_way[0]!r}")
        if unequal := _differing(differing, _there(self._target, differing)):
            raise StoreError(
                f"{self._target.location}: {unequal[0].id!r} is not what {self._source.location} "
                "has: a text that this store cannot hold, or a disk that lies"
            )
        return len(batch) - len(differing)

    def _installed(self, wholes: list[Whole]) -> list[str]:
        try:
            return self._target.install(wholes)
        except (TypeError, UnicodeEncodeError):
            # A file may hold bytes that are no text: the archive knows how to name them.
            for whole in wholes:
                write_whole(whole)
            raise

    def _delete_what_is_gone(self) -> None:
        """Of an earlier pass the source may have lost something since."""
        for batch in _batches(self._target.export(), self._batch_max):
            there = _there(self._source, batch)
            self._delete([whole for whole in batch if whole.id not in there])

    def _delete(self, wholes: list[Whole]) -> None:
        if not wholes:
            return
        self._target.commit(
            Commit(
                self._epoch,
                resets={whole.id for whole in wholes if whole.instance},
                instances={whole.id: None for whole in wholes if whole.instance},
                entities={whole.id: None for whole in wholes if whole.entity},
                consumed=[message.position for whole in wholes for message in whole.messages],
            )
        )


def _size(store: Store) -> int:
    """About how many actors there are; those without a row are too few to count."""
    entities = 0
    token: str | None = None
    while True:
        page = store.entities("@", _PAGE, token, transient=True)
        entities += len(page.rows)
        token = page.token
        if token is None:
            return entities + sum(store.count(Query()).values())


def _batches(wholes: Iterator[Whole], size_max: int) -> Iterator[list[Whole]]:
    batch: list[Whole] = []
    characters = 0
    for whole in wholes:
        batch.append(whole)
        characters += sum(len(turn.events) for turn in whole.turns)
        if len(batch) >= size_max or characters >= _BATCH_CHARACTERS_MAX:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _there(store: Store, batch: list[Whole]) -> dict[str, Whole]:
    return {whole.id: whole for whole in store.export([whole.id for whole in batch])}


def _differing(batch: list[Whole], there: dict[str, Whole]) -> list[Whole]:
    """Those that are not there, or not the same."""
    return [
        whole
        for whole in batch
        if whole.id not in there or _comparable(whole) != _comparable(there[whole.id])
    ]


def _comparable(whole: Whole) -> Whole:
    """Positions mean nothing elsewhere; the order of messages does."""
    return evolve(whole, messages=[evolve(message, position=0) for message in whole.messages])


def _tally(moved: Moved, batch: list[Whole]) -> None:
    kinds = Counter(
        "entity" if whole.entity else "orchestration" if whole.instance else "" for whole in batch
    )
    moved.orchestrations += kinds["orchestration"]
    moved.entities += kinds["entity"]
    moved.actors += len(batch)
    moved.turns += sum(len(whole.turns) for whole in batch)
    moved.timers += sum(len(whole.timers) for whole in batch)
    moved.messages += sum(len(whole.messages) for whole in batch)
