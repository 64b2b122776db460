"""What a store holds after deaths, against what the dead were told, by the history checker.

Beside it a count by name, which knows nothing of the checker: what was lost, doubled, made up.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
from attrs import define, field

from crash_app import ACCOUNTS, BALANCE, BY_CLIENTS, FAR, LAST, app
from perdure import Status
from perdure.persistence.opening import open_store
from perdure.persistence.records import Whole
from perdure.testing.checking import Evidence, History, check_history

JUDGED_PER_UNDECIDED_MIN = 100
"""With more that is left open than that a verdict would say too little."""


@define
class Judgement:
    """What was found."""

    problems: list[str] = field(factory=list[str])
    judged: int = 0
    """Requests that were held against the store, and decided."""
    undecided: list[str] = field(factory=list[str])
    acknowledged: int = 0
    unknown: int = 0
    """Requests of which nobody was told whether they happened."""
    instances: int = 0


def judge(url: str, lives: Iterable[Path], *, finished: bool) -> Judgement:
    """Hold a store that nobody runs against the histories of all its lives.

    Once everything has been let come to its end it is `finished`, and more can be said.
    """
    history = History.of_files(lives)
    with looked_at(url) as place, closing(open_store(place)) as store:
        evidence = Evidence.of(app, history, store, at_rest=finished, by_clients=BY_CLIENTS)
        verdict = check_history(evidence)
        wholes = [*evidence.wholes.values()]
    answers = Counter(operation.answer for operation in history.operations)
    judgement = Judgement(
        [*map(str, verdict.violations), *(counted(history, wholes) if finished else ())],
        verdict.judged,
        verdict.undecided,
        answers["done"],
        answers["unknown"],
        sum(whole.instance is not None for whole in wholes),
    )
    if len(verdict.undecided) * JUDGED_PER_UNDECIDED_MIN > verdict.judged:
        judgement.problems.append(f"only {verdict.judged} were decided, not {verdict.undecided}")
    return judgement


@contextmanager
def looked_at(url: str) -> Generator[str, None, None]:
    """Give a copy of a file: whoever opens the file itself tidies up what the dead have left."""
    if not url.startswith("sqlite:///"):
        yield url
        return
    source = Path(url.removeprefix("sqlite:///"))
    with tempfile.TemporaryDirectory(prefix="perdure-judged-") as folder:
        for path in (source, Path(f"{source}-wal")):
            if path.exists():
                shutil.copy(path, folder)
        yield f"sqlite:///{folder}/{source.name}"


# The count by name


def counted(history: History, wholes: list[Whole]) -> list[str]:
    """Everything acknowledged that is missing, all that happened twice, all that was made up."""
    rows = [whole.instance for whole in wholes if whole.instance is not None]
    told = [row for row in rows if row.id.startswith(("listener", "diary"))]
    names = [row.id for row in rows if row not in told]
    words = [str(word) for row in told for word in orjson.loads(row.output or "[]")]
    states = {w.id: orjson.loads(w.entity.state or "{}") for w in wholes if w.entity is not None}
    boxes = [state for name, state in states.items() if name.startswith("@box@")]
    entries = [str(entry) for box in boxes for entry in box["entries"]]
    ran = [name for name in states["@ran@ran"]["entries"] if name != LAST]
    found = [
        *_compared(history, "event", words),
        *_compared(history, "put", entries),
        *_compared(history, "start", [row.id for row in rows if "-child" not in row.id]),
    ]
    if unended := [row.id for row in rows if row.status is not Status.COMPLETED]:
        found.append(f"not completed: {unended}")
    far = orjson.dumps([*range(FAR)]).decode()
    if wrong := [row.id for row in rows if row.name == "fan_far" and row.output != far]:
        found.append(f"not every part counted once: {wrong}")
    if sorted(ran) != sorted(names):
        found.append(f"not every instance has run once: {Counter(ran) - Counter(names)}")
    return found + _money([states.get(f"@account@{n}", {}) for n in range(ACCOUNTS)])


def _money(accounts: list[dict[str, int]]) -> list[str]:
    balances = [account.get("balance", BALANCE) for account in accounts]
    clashes = sum(account.get("clashes", 0) for account in accounts)
    found = [f"money came or went: {balances}"] if sum(balances) != ACCOUNTS * BALANCE else []
    return [*found, *([f"{clashes} were inside without a lock"] if clashes else [])]


def _compared(history: History, kind: str, happened: list[str]) -> list[str]:
    asked: dict[str, bool] = {}
    for told in history.operations:
        if kind in {told.kind, told.name} and told.answer != "refused":
            name = told.target if kind == "start" else str(orjson.loads(told.input or "null"))
            asked[name] = asked.get(name, False) or told.answer == "done"
    times = Counter(happened)
    lost = sorted(name for name, done in asked.items() if done and not times[name])
    said = {
        "lost": [name for name in lost if name != "stop"],
        "happened twice": sorted(name for name, n in times.items() if n > 1),
        "never asked for": sorted(times.keys() - asked.keys()),
    }
    return [f"{kind} {what}: {', '.join(names)}" for what, names in said.items() if names]
