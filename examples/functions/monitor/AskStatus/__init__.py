from ..shared.jobs import state_of


def main(question: dict) -> str:
    return state_of(question["job"], question["look"])
