"""Sessions of workers that stopped in the middle of sending a commit.

They still have their locks, and no timeout of the server ends that: it waits for the rest of a
message. Commits take milliseconds, so that one which lasts for half a lease is such a session.
"""


def ending_stuck(table: str, dead: str) -> str:
    """What ends those that write to a table, if `dead` finds a worker that may be one of them.

    How many seconds they have lasted comes first among what is bound.
    """
    return f"""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND xact_start < clock_timestamp() - %s * interval '1 second'
        -- Another database may have a table of the same number.
        AND datname = current_database() AND pid IN (
            SELECT pid FROM pg_locks
            WHERE relation = '{table}'::regclass AND mode = 'RowExclusiveLock' AND granted
        ) AND EXISTS ({dead})
    """
