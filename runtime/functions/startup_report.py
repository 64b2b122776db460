"""What a host says when it has started: functions, hubs, and whatever of the app it leaves out."""

from collections.abc import Iterable, Iterator

from attrs import frozen

from .host_file import HostFile
from .http_triggers import HttpTrigger
from .model import Function, FunctionsApp
from .task_hubs import TaskHub
from .timer_triggers import TimerTrigger

_ANY_METHOD = "any method"


@frozen(kw_only=True)
class StartupReport:
    """See the module's docstring."""

    url: str
    app: FunctionsApp
    file: HostFile
    http: Iterable[HttpTrigger]
    timers: Iterable[TimerTrigger]
    hubs: Iterable[tuple[TaskHub, str]]
    """Each with a remark, or an empty text."""
    left_out: Iterable[tuple[Function, str]]
    """Functions that nothing runs, with the reason."""
    kept: Iterable[str]
    """Names in local.settings.json that the environment had a value for already."""

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        yield f"{self.app.folder} at {self.url}"
        yield from _section("Functions", self._functions())
        yield from _section("Task hubs", (f"{h.name}  {h.store}{r}" for h, r in self.hubs))
        yield from _section("Not run", (f"{f.name}: {why}" for f, why in self.left_out))
        yield from _section(
            "Settings ignored in host.json", (f"{name}: {why}" for name, why in self.file.ignored)
        )
        yield from _section("Settings unknown in host.json", self.file.unknown)
        yield from _section("Set in the environment, not by local.settings.json", self.kept)
        yield ""

    def _functions(self) -> Iterator[str]:
        left_out = {function.name for function, _ in self.left_out}
        http = {trigger.function.name: trigger for trigger in self.http}
        timers = {trigger.function.name: trigger for trigger in self.timers}
        for function in sorted(self.app.functions, key=lambda f: f.name):
            if function.name in http:
                trigger = http[function.name]
                methods = ",".join(sorted(trigger.methods)) or _ANY_METHOD
                level = f" ({trigger.level})" if trigger.level != "anonymous" else ""
                yield f"{function.name}: [{methods}] {self.url}/{trigger.path}{level}"
            elif function.name in timers:
                yield f"{function.name}: timerTrigger {timers[function.name].shown}"
            elif function.name not in left_out:
                name = function.registered_name
                known = f" as {name}" if name != function.name else ""
                yield f"{function.name}: {function.trigger.type}{known}"


def _section(title: str, entries: Iterable[str]) -> Iterator[str]:
    shown = [f"    {entry}" for entry in entries]
    if shown:
        yield from ("", f"{title}:", *shown)
