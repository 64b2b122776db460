"""The jobs that are watched: here job n is done at its n-th look."""


def state_of(job: int, look: int) -> str:
    return "done" if look + 1 >= job else "running"
