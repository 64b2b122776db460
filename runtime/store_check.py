"""Would the code at hand go on with what is stored? To be asked before it is deployed.

Orchestrator code is replayed against its history, as a runtime would do it; nothing else of the
user's runs but converters, and nothing is written. A living owner is not disturbed: every chunk is
read as of one moment, and what has ended meanwhile is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field

from ..actors.app import App
from ..actors.durable_http import HTTP_ACTIVITY
from ..actors.status import TERMINAL, Status
from ..persistence.records import Query, Whole
from ..persistence.store import Store
from .checked import checked_app, checked_count, checked_open_store
from .clock import new_id
from .engine.seclusion import refuse_blocking_calls, secluded
from .fitting import Fitting, Misfit, NewWork
from .http_activity import http_activity
from .leash import Leash, OverrunError

UNFINISHED = frozenset(Status) - TERMINAL
AT_ONCE = 100

SECONDS_MAX = 10.0
OVERRUNS_MAX = 3
"""So many of the same code are waited for; with a thousand it would take hours to say the same."""

Code = tuple[str, str | None]
"""Name and version."""

Advance = Callable[[int, int], object]
"""Called with how many were checked, and how many there are to check."""


@define
class StoreCheck:
    """What was checked, and what does not fit."""

    instances: int = 0
    """How many unfinished orchestrations were replayed."""
    entities: int = 0
    """How many entities were read."""
    left_out: int = 0
    """How many of both are not in the sample."""
    misfits: list[Misfit] = field(factory=list[Misfit])
    new_work: list[NewWork] = field(factory=list[NewWork])
    """What fits and would go further at once: no problem, if it is meant."""

    @property
    def fits(self) -> bool:
        """Whether the code can go on with everything that was checked."""
        return not self.misfits


def check_store(
    app: App,
    store: Store,
    *,
    sample: int | None = None,
    seconds_max: float = SECONDS_MAX,
    progress: Advance | None = None,
) -> StoreCheck:
    """Hold the code of `app` against every unfinished orchestration and every entity of a store.

    Of more than `sample` of either that many are taken, evenly by age and by id. Each has
    `seconds_max` for its replay; whatever takes longer is `endless`. Blocks while it reads and
    replays, which it does on threads of its own. Raises `StoreError`.
    """
    return check_within(Leash(seconds_max), app, store, sample=sample, progress=progress)


def check_within(
    leash: Leash,
    app: App,
    store: Store,
    *,
    sample: int | None = None,
    progress: Advance | None = None,
) -> StoreCheck:
    """The same with the limit as an object."""
    checked_app(app)
    checked_open_store(store)
    if sample is not None:
        checked_count("sample", sample, 1)
    refuse_blocking_calls()
    return _Checker(store, app, leash, sample, progress).run()


@define
class _Checker:
    _store: Store
    _app: App
    _leash: Leash
    _sample: int | None
    _progress: Advance | None
    _fitting: Fitting = field(init=False)
    _overruns: Counter[Code] = field(factory=Counter[Code])
    """How many were endless, by their code."""
    _found: StoreCheck = field(factory=StoreCheck)
    _done: int = 0
    _total: int = 0

    def __attrs_post_init__(self) -> None:
        self._fitting = self._made_fitting()

    def run(self) -> StoreCheck:
        running = sum(self._store.count(Query(UNFINISHED)).values())
        entities = sum(1 for _ in self._entities())
        self._total = self._wanted(running) + self._wanted(entities)
        for ids in _chunks(self._thinned(self._instances(), running)):
            self._found.instances += self._check(ids)
        for ids in _chunks(self._thinned(self._entities(), entities)):
            self._found.entities += self._check(ids)
        self._found.left_out = running + entities - self._total
        return self._found

    def _wanted(self, there: int) -> int:
        return there if self._sample is None else min(there, self._sample)

    def _thinned(self, ids: Iterator[str], there: int) -> Iterator[str]:
        wanted = self._wanted(there)
        for number, actor_id in enumerate(ids):
            # Whatever comes on top of those that were counted has just been started.
            if wanted == there or (
                number < there and number * wanted // there != (number - 1) * wanted // there
            ):
                yield actor_id

    def _instances(self) -> Iterator[str]:
        yield from _ids(lambda token: self._store.query(Query(UNFINISHED), AT_ONCE, token))

    def _entities(self) -> Iterator[str]:
        yield from _ids(lambda token: self._store.entities("@", AT_ONCE, token, transient=True))

    def _check(self, ids: list[str]) -> int:
        checked = 0
        # All are read before the user's code runs, so that nothing is open for as long as it takes.
        for whole in [*self._store.export(ids)]:
            if whole.instance is None or not whole.instance.status.is_terminal:
                checked += 1
                self._hold_against(whole)
        self._leash.rest()
        self._done += len(ids)
        if self._progress is not None:
            self._progress(self._done, max(self._total, self._done))
        return checked

    def _hold_against(self, whole: Whole) -> None:
        code = _code_of(whole)
        overruns = self._overruns[code]
        if overruns >= OVERRUNS_MAX:
            tried = f"not tried, as {overruns} others of the same code had not come to their end"
            self._found.misfits.append(_endless(whole, tried))
            return
        try:
            found = self._leash.run(lambda: _secluded(self._fitting, whole))
        except OverrunError as error:
            self._overruns[code] += 1
            self._found.misfits.append(_endless(whole, str(error), error.source))
            # Whoever was interrupted, or goes on, may have left that one in any state.
            self._fitting = self._made_fitting()
            return
        for each in found:
            self._note(each)

    def _made_fitting(self) -> Fitting:
        copied = self._app.copy()
        copied.built_in.setdefault(HTTP_ACTIVITY, http_activity(copied))
        return Fitting(copied, new_id)

    def _note(self, found: Misfit | NewWork) -> None:
        if isinstance(found, Misfit):
            self._found.misfits.append(found)
        else:
            self._found.new_work.append(found)


def _secluded(fitting: Fitting, whole: Whole) -> list[Misfit | NewWork]:
    with secluded():
        return [*fitting.of(whole)]


def _code_of(whole: Whole) -> Code:
    row = whole.instance
    if row is None:
        # Of an orchestration that was purged meanwhile, messages may be left.
        return whole.id.removeprefix("@").partition("@")[0], None
    return row.name, row.version


def _endless(whole: Whole, message: str, source: str | None = None) -> Misfit:
    name, version = _code_of(whole)
    return Misfit(whole.id, name, "endless", message, version, source=source)


def _ids(page_of: Callable[[str | None], Any]) -> Iterator[str]:
    token: str | None = None
    while True:
        page = page_of(token)
        yield from (row.id for row in page.rows)
        token = page.token
        if token is None:
            return


def _chunks(ids: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for actor_id in ids:
        chunk.append(actor_id)
        if len(chunk) == AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
