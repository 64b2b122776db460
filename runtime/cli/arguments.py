"""Arguments and options that several commands take."""

from difflib import get_close_matches
from typing import Annotated

import typer
from attrs import frozen

from perdure.actors.errors import InstanceIdError
from perdure.actors.identity import EntityId
from perdure.actors.status import Status
from perdure.runtime.client.queries import PAGE_SIZE_MAX

from .completion import complete_entity, complete_instance, complete_name, complete_status
from .session import Session
from .target import Filters

InstanceId = Annotated[
    str, typer.Argument(help="The instance.", autocompletion=complete_instance, show_default=False)
]
InstanceIds = Annotated[
    list[str],
    typer.Argument(help="The instances.", autocompletion=complete_instance, show_default=False),
]
Entity = Annotated[
    str, typer.Argument(help="The entity: @name@key.", autocompletion=complete_entity)
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the history.")]
Statuses = Annotated[
    list[str] | None,
    typer.Option(
        "--status", help="Only in this status; may be repeated.", autocompletion=complete_status
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        help="Only of this orchestration; may be repeated.",
        autocompletion=complete_name,
    ),
]
Prefix = Annotated[str, typer.Option(help="Only those whose id begins like this.")]
CreatedFrom = Annotated[
    str | None, typer.Option(help="Only created then or later: a time, or 2h ago.")
]
CreatedTo = Annotated[str | None, typer.Option(help="Only created then or earlier.")]
CompletedFrom = Annotated[str | None, typer.Option(help="Only ended then or later.")]
CompletedTo = Annotated[str | None, typer.Option(help="Only ended then or earlier.")]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", help="Only with this tag, key=value; may be repeated."),
]
Parent = Annotated[str | None, typer.Option(help="Only children of this instance.")]
Version = Annotated[
    str | None,
    typer.Option(help="Only of this version; '' for those without one.", show_default=False),
]
Limit = Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="How many at most.")]
After = Annotated[str | None, typer.Option(help="Go on behind the page that gave this.")]
All = Annotated[bool, typer.Option("--all", help="All of them, page by page.")]

_STATUSES = {status.label.lower(): status for status in Status}


@frozen(kw_only=True)
class FilterOptions:
    """Which orchestrations a command is about."""

    status: Statuses = None
    name: Names = None
    prefix: Prefix = ""
    created_from: CreatedFrom = None
    created_to: CreatedTo = None
    completed_from: CompletedFrom = None
    completed_to: CompletedTo = None
    tag: Tags = None
    parent: Parent = None
    version: Version = None

    def filters(self, session: Session) -> Filters:
        """What is asked for; raises `typer.BadParameter`."""
        return Filters(
            statuses=frozenset(_status(given) for given in self.status or ()),
            names=frozenset(self.name or ()),
            prefix=self.prefix,
            created_from=session.moment(self.created_from, "--created-from"),
            created_to=session.moment(self.created_to, "--created-to"),
            completed_from=session.moment(self.completed_from, "--completed-from"),
            completed_to=session.moment(self.completed_to, "--completed-to"),
            tags=tags(self.tag) or None,
            parent=self.parent,
            version=self.version,
        )


def tags(given: list[str] | None) -> dict[str, str]:
    """Tags from `key=value`."""
    found: dict[str, str] = {}
    for text in given or ():
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"{text!r} is no key=value", param_hint="--tag")
        found[key] = value
    return found


def _status(given: str) -> Status:
    wanted = given.lower().replace("_", "").replace("-", "")
    if wanted in _STATUSES:
        return _STATUSES[wanted]
    near = get_close_matches(wanted, _STATUSES, 1)
    advice = f"did you mean {_STATUSES[near[0]].label}?" if near else "there are "
    known = "" if near else ", ".join(status.label for status in Status)
    raise typer.BadParameter(
        f"there is no status {given!r}; {advice}{known}", param_hint="--status"
    )


def entity_id(given: str) -> EntityId:
    """The id of an entity."""
    try:
        return EntityId.parse(given)
    except InstanceIdError as error:
        raise typer.BadParameter(f"{error}, such as @counter@k1", param_hint="ENTITY") from error
