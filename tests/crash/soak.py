"""An hour of deaths: `make soak`, or `python tests/crash/soak.py MINUTES [SEED]`.

Rounds of a few lives each: a process works on a store until it is disturbed and killed. After each
round the history checker judges what the dead have left, and once more when all has ended.
"""

import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from disturbances import DISTURBANCES, Figures, Victim
from small_disk import small_disk

LIVES_PER_ROUND = 8


def soak(minutes: float, seed: int) -> Figures:
    """Go on for so many minutes, or until something is wrong."""
    total, began, rounds = Figures(), time.monotonic(), 0
    while time.monotonic() - began < minutes * 60 and not total.problems:
        rounds += 1
        chance = Random(f"{seed}.{rounds}")  # noqa: S311 - not for secrets
        with (
            tempfile.TemporaryDirectory(prefix="perdure-soak-") as folder,
            small_disk(Path(folder)) as disk,
        ):
            backend, place = chance.choice(("asyncio", "trio")), chance.choice((disk, None))
            victim = Victim(Path(folder), chance, backend, total, disk=place)
            for _ in range(LIVES_PER_ROUND):
                victim.live(chance.choice([*DISTURBANCES]))
            victim.finish()
        say(f"round {rounds}, {round(time.monotonic() - began)} s: {told(total)}")
    return total


def told(figures: Figures) -> str:
    """The figures in words."""
    done = ", ".join(f"{count} {name}" for name, count in sorted(figures.disturbances.items()))
    return (
        f"{figures.lives} lives ({done}), {figures.instances} instances, "
        f"{figures.acknowledged} requests acknowledged, {figures.unknown} of unknown outcome, "
        f"{figures.judged} verdicts of the history checker, {len(figures.undecided)} entities "
        f"undecided, {len(figures.problems)} problems"
    )


def say(text: str) -> None:
    """Show progress."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Give the exit status: 0 when nothing was lost or doubled."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
    say(f"soak: {minutes:g} minutes, seed {seed}")
    figures = soak(minutes, seed)
    say("\n".join([told(figures), *figures.problems]))
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
