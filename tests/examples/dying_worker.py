"""The backup's worker, which kills its own process in the middle of its n-th copy."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "backup"))

import itertools

import vault
import worker

DIES_AT = int(sys.argv.pop(1))
attempts = itertools.count(1)
noted = vault.Vault.note


def note_and_die(self: vault.Vault, text: str) -> None:
    """Die when the copy is there and nothing of it is recorded."""
    noted(self, text)
    if next(attempts) == DIES_AT:
        os.kill(os.getpid(), signal.SIGKILL)


vault.Vault.note = note_and_die  # type: ignore[method-assign]

if __name__ == "__main__":
    worker.main()
