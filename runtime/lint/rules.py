"""The rules: what each code stands for, why it breaks a replay, and what to do instead.

In their texts `{it}` is the code in question, `{ctx}` the name that the orchestrator has for its
context, and `{await}` is `await`, or `yield` in the generator style.
"""

from attrs import frozen


@frozen
class Rule:
    """One kind of finding."""

    code: str
    finds: str
    """What is looked for."""
    says: str
    """What is said of `{it}`."""
    why: str
    """What goes wrong with it when the orchestrator is replayed."""
    fix: str


_ACTIVITY = "do it in an activity: {await} {ctx}.call_activity(...)"

_ALL = (
    Rule(
        "PER100",
        "a file that is no Python",
        "cannot be read: {it}",
        "nothing is known about the orchestrators in it",
        "correct the file, or leave it out",
    ),
    Rule(
        "PER101",
        "the machine's clock",
        "`{it}` reads the machine's clock",
        "each replay reads another time",
        "use {ctx}.current_utc_datetime",
    ),
    Rule(
        "PER102",
        "random numbers",
        "`{it}` is random",
        "each replay draws something else",
        "use {ctx}.random, or draw in an activity",
    ),
    Rule(
        "PER103",
        "UUIDs of the machine or of chance",
        "`{it}` is another UUID each time",
        "each replay makes a new one",
        "use {ctx}.new_guid()",
    ),
    Rule(
        "PER104",
        "the environment of the process",
        "`{it}` belongs to this process",
        "the process that replays may have another environment",
        "pass it as input, or read it in an activity",
    ),
    Rule(
        "PER105",
        "`id()` and `hash()`",
        "`{it}` differs from process to process",
        "the process that replays gets other numbers",
        "compare stored values, or use hashlib",
    ),
    Rule(
        "PER106",
        "files and folders",
        "`{it}` touches the disk",
        "it is done again at each replay, and may find something else",
        _ACTIVITY,
    ),
    Rule(
        "PER107",
        "network, databases, clients",
        "`{it}` speaks to something outside",
        "it is asked again at each replay, and may answer otherwise",
        "{await} {ctx}.call_http(...), or do it in an activity",
    ),
    Rule(
        "PER108",
        "processes",
        "`{it}` deals with processes",
        "they are started again at each replay",
        _ACTIVITY,
    ),
    Rule(
        "PER109",
        "threads and pools",
        "`{it}` is for threads",
        "their order is chance, and nobody records what they did",
        "use anyio's task groups and locks, and do the work in activities",
    ),
    Rule(
        "PER110",
        "blocking waits",
        "`{it}` blocks",
        "every orchestration waits with it, at each replay anew",
        "{await} {ctx}.create_timer(...), or in an async orchestrator anyio.sleep(...)",
    ),
    Rule(
        "PER111",
        "foreign awaits",
        "`{it}` needs an event loop",
        "an orchestrator has none: only its context and anyio wait durably",
        "use what {ctx} offers, or anyio",
    ),
    Rule(
        "PER112",
        "a set whose order decides",
        "the order of `{it}` decides what is scheduled first",
        "a set is ordered otherwise in the next process",
        "sort it: `sorted(...)`",
    ),
    Rule(
        "PER113",
        "tasks that nobody awaits",
        "nobody awaits `{it}`",
        "it may be lost, and nobody sees it fail",
        "{await} it now or later, or say `_ = ...` if it may be lost",
    ),
    Rule(
        "PER114",
        "endless loops",
        "`{it}` never ends, and never continues as new",
        "the history grows for ever, and each replay goes through all of it",
        "do one round, call {ctx}.continue_as_new(...) and return",
    ),
    Rule(
        "PER115",
        "changes outside the orchestrator",
        "`{it}` changes something outside the orchestrator",
        "each replay changes it once more, and other orchestrations see it",
        "keep it in a local variable or an entity, or change it in an activity",
    ),
    Rule(
        "PER116",
        "activities called as functions",
        "`{it}` runs the activity inside the orchestrator",
        "it is run again at each replay, and nothing is recorded",
        "{await} {ctx}.call_activity(...) with the function as first argument",
    ),
    Rule(
        "PER117",
        "caught cancellation",
        "`{it}` also catches the cancellation of the orchestrator",
        "it goes on after it was told to stop",
        "catch Exception, or raise again",
    ),
    Rule(
        "PER118",
        "repeated output",
        "`{it}` writes",
        "it is written once more at each replay",
        "use {ctx}.logger, or ask `if not {ctx}.is_replaying`",
    ),
)

RULES = {rule.code: rule for rule in _ALL}
"""Every rule under its code."""
