"""Logs that lack turns, as after rows were deleted by hand: found by what the rest says of them.

A newest turn that nothing else speaks of cannot be missed: no end, no timer and no open activity
of the instance is in it.
"""

from ..actors.status import TERMINAL, Status

_TERMINAL = f"({', '.join(str(int(status)) for status in sorted(TERMINAL))})"
_TURNS = "SELECT 1 FROM turn WHERE turn.instance_id = instance.id"

_NUMBERS = """
SELECT instance_id AS id, 'it has ' || count(*) || ' of ' || (max(sequence) + 1) || ' turns' AS lost
FROM turn GROUP BY instance_id HAVING count(*) <> max(sequence) + 1
"""
_ORPHANS = """
SELECT instance_id, 'only turns are left' FROM turn
WHERE NOT EXISTS (SELECT 1 FROM instance WHERE instance.id = turn.instance_id)
"""
_BEGINNINGS = f"""
SELECT id, 'it has no turn' FROM instance
WHERE status NOT IN {_TERMINAL} AND parked IS NULL AND NOT EXISTS ({_TURNS}) AND id NOT IN ({{0}})
"""
# A failed one may have heard of entities since its end.
_ENDS = f"""
SELECT id, 'the turn of its end is missing' FROM instance
WHERE status IN {_TERMINAL} AND NOT EXISTS (
    SELECT 1 FROM (
        SELECT events FROM turn WHERE turn.instance_id = instance.id ORDER BY sequence DESC LIMIT 1
    ) AS newest WHERE events LIKE ?
) AND (status <> {int(Status.FAILED)} OR NOT EXISTS ({_TURNS} AND events LIKE ?))
"""
_ACTIVITIES = f"""
SELECT id, 'the turn of its activity is missing' FROM instance
WHERE open AND EXISTS ({_TURNS}) AND NOT EXISTS ({_TURNS} AND events LIKE ?)
"""
_TIMERS = f"""
SELECT id, 'the turn of timer ' || timer_id || ' is missing'
FROM timer JOIN instance ON id = instance_id AND timer.execution_id = instance.execution_id
WHERE EXISTS ({_TURNS}) AND NOT EXISTS ({_TURNS} AND events LIKE CAST(? AS text) || timer_id || ?)
"""
_EACH = (_NUMBERS, _ORPHANS, _BEGINNINGS, _ENDS, _ACTIVITIES, _TIMERS)

_PATTERNS = (
    '%"type":"ExecutionCompleted"}%',
    '%"type":"ExecutionCompleted"}%',
    '%"type":"TaskScheduled"}%',
    '%"id":',
    ',"fire_at":%',
)
"""What the question marks stand for; in a payload such quotes would be escaped."""


def lost_turns(mail: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """A statement that gives the ids with what is lost, and its values.

    `mail` are the tables in which messages wait.
    """
    waiting = " UNION ALL ".join(f"SELECT target FROM {table}" for table in mail)
    found = "UNION ALL".join(_EACH).format(waiting)
    return f"SELECT id, min(lost) FROM ({found}) AS lacking GROUP BY id ORDER BY id", _PATTERNS
