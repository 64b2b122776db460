"""What goes wrong in a simulation, and how often."""

from collections import Counter
from typing import Any

from attrs import Attribute, evolve, field, fields, frozen

from perdure.runtime.checked import checked_kind

from .choices import Choices


def _rate(_: object, attribute: "Attribute[float]", value: float) -> None:
    shape = f"{attribute.name} is a share from 0 to 1"
    checked_kind(value, (int, float), shape)
    if not 0 <= value <= 1:
        raise ValueError(f"{shape}, not {value!r}")


def _share(default: float) -> float:
    share: float = field(default=default, validator=_rate)
    return share


@frozen(kw_only=True)
class Faults:
    """How often each thing goes wrong, as a share of the occasions for it.

    Each seed leaves some kinds out, so that the others can go far; a tenth of the seeds has none.
    After `most` faults there are no more, so that every run comes to an end.
    """

    commit_lost: float = _share(0.04)
    """A commit fails, and nothing of it has happened."""
    commit_unheard: float = _share(0.04)
    """A commit fails although it is durable."""
    commit_slow: float = _share(0.05)
    """A commit takes up to half a minute."""
    read_fails: float = _share(0.02)
    """A read of the store fails."""
    death_before_commit: float = _share(0.03)
    """The process is killed while a commit is being written, which is lost."""
    death_after_commit: float = _share(0.03)
    """The process is killed when a commit is durable and before it knows."""
    death_in_activity: float = _share(0.03)
    """The process is killed while an activity runs."""
    death_in_operation: float = _share(0.01)
    """The process is killed between a client's request and its answer."""
    takeover: float = _share(0.02)
    """Another process takes the store over while this one goes on unknowingly, for a while."""
    activity_raises: float = _share(0.05)
    """An attempt of an activity raises, before or after doing its work, if the activity's own
    retry policy allows another one."""
    activity_hangs: float = _share(0.02)
    """An attempt of an activity begins and never ends, unless it has a timeout."""
    activity_slow: float = _share(0.05)
    """An activity takes up to an hour; its instance may be gone by then."""
    clock_jumps: float = _share(0.02)
    """A machine's clock is set forward or back, by up to an hour."""
    client_leaves: float = _share(0.03)
    """A client's connection breaks before its answer comes."""
    most: int = field(default=8)
    """How many faults one run has at most."""

    @classmethod
    def none(cls) -> "Faults":
        """Nothing goes wrong; what varies is who goes next and how long things take."""
        return cls(**dict.fromkeys(KINDS, 0.0), most=0)


KINDS = tuple(attribute.name for attribute in fields(Faults) if attribute.name != "most")
LEFT_OUT = 0.4
"""In what share of the seeds a kind of fault is left out."""
CALM = 0.1
"""What share of the seeds has no faults."""


class Misfortune:
    """The faults of one run: which happen, and which have happened."""

    def __init__(self, faults: Faults, choices: Choices) -> None:
        chance = choices.stream("misfortune")
        calm = chance.random() < CALM
        out: dict[str, Any] = {kind: 0.0 for kind in KINDS if chance.random() < LEFT_OUT}
        self._rates = evolve(faults, **out)
        self._left = 0 if calm else chance.randint(0, faults.most)
        self._choices = choices
        self._occasions: Counter[str] = Counter()
        self.happened: list[str] = []
        """The names of the faults, in order."""
        self.over = False
        """Whether nothing goes wrong any more."""

    def strikes(self, kind: str) -> bool:
        """Whether it goes wrong on this occasion."""
        rate: float = getattr(self._rates, kind)
        if not rate or self.over:
            return False
        self._occasions[kind] += 1
        name = f"{kind} {self._occasions[kind]}"
        unlucky = self._choices.stream(kind).random() < rate
        if not unlucky or self._left <= 0:
            return False
        # One that is left out still counts: those after it stay what they are.
        self._left -= 1
        if self._choices.quiets(name):
            return False
        self.happened.append(name)
        return True
