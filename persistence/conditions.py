"""What a query asks of instances and entities, as SQL conditions and the values bound to them."""

from collections.abc import Callable, Collection, Iterable, Iterator

from .paging import prefix_end
from .records import Query

Condition = tuple[str, tuple[object, ...]]
Tagged = Callable[[str, str], Condition]
"""How a database finds the instances with a tag, given its key and value."""


def conditions(
    query: Query, tagged: Tagged, stored_name: Callable[[str], str] = str
) -> tuple[str, list[object]]:
    return joined(
        [
            *prefixed(query.id_prefix),
            *_one_of("status", [int(status) for status in query.statuses]),
            *_one_of("name", [stored_name(name) for name in query.names]),
            *between("created", query.created_from, query.created_to),
            *between("completed", query.completed_from, query.completed_to),
            *(tagged(key, value) for key, value in query.tags),
            *([] if query.parent_id is None else [("parent_id = ?", (query.parent_id,))]),
            *_of_version(query.version, stored_name),
        ]
    )


def _of_version(version: str | None, stored_name: Callable[[str], str]) -> Iterator[Condition]:
    if version:
        yield "version = ?", (stored_name(version),)
    elif version is not None:
        yield "version IS NULL", ()


def joined(conditions: Iterable[Condition]) -> tuple[str, list[object]]:
    texts: list[str] = []
    values: list[object] = []
    for text, bound in conditions:
        texts.append(f"AND {text}")
        values += bound
    return " ".join(texts), values


def prefixed(prefix: str) -> Iterator[Condition]:
    if prefix:
        yield "id >= ?", (prefix,)
        if (end := prefix_end(prefix)) is not None:
            yield "id < ?", (end,)


def _one_of(column: str, values: Collection[object]) -> Iterator[Condition]:
    if values:
        yield f"{column} IN ({', '.join('?' * len(values))})", tuple(values)


def between(column: str, first: int | None, last: int | None) -> Iterator[Condition]:
    if first is not None:
        yield f"{column} >= ?", (first,)
    if last is not None:
        yield f"{column} <= ?", (last,)
