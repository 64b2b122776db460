"""Versions of a Functions app: new instances get `defaultVersion`, and others may not be run here.

Orchestrators of Functions have no versions themselves: each runs the instances of all versions that
`versionMatchStrategy` lets through, and asks its context for the version.
"""

import re
from typing import Any, NoReturn

from attrs import evolve

from perdure.actors.app import App
from perdure.actors.definitions import OrchestrationDefinition
from perdure.actors.errors import DefinitionNotFoundError, PerdureError
from perdure.actors.failure import details_of

from .host_settings import HostSettings, VersionFailure, VersionMatch
from .kernel import KernelApp


class VersionMismatch(PerdureError):  # noqa: N818 - the name that Durable Functions gives it
    """What an instance fails with whose version is not run here."""

    non_retriable = True

    def __init__(self, name: str, version: str | None, runs: str) -> None:
        super().__init__(f"{name} has version {version!r}, but this host runs {runs}")
        self.name = name
        self.version = version


class _RunsElsewhereError(DefinitionNotFoundError):
    """Parks an instance until a host runs its version."""

    def __init__(self, mismatch: VersionMismatch) -> None:
        Exception.__init__(self, str(mismatch))
        self.kind, self.name = "orchestration", mismatch.name


class VersionedApp(KernelApp):
    """What `app` has, with versions as the settings of the host say."""

    def __init__(self, app: App, settings: HostSettings) -> None:
        vars(self).update(vars(app.copy()))
        self.default_version = settings.default_version
        self._settings = settings

    def orchestration_of(self, target: Any, version: str | None = None) -> OrchestrationDefinition:
        """The orchestration; one that is asked for without a version has the default version."""
        found = super().orchestration_of(target, version)
        default = self._settings.default_version
        return evolve(found, version=default) if version is None and default else found

    def recorded_orchestration(self, name: str, version: str | None) -> OrchestrationDefinition:
        """The definition for an instance of that version, or one that refuses it."""
        found = super().recorded_orchestration(name, version)
        settings = self._settings
        if runs_here(version, settings.default_version, settings.version_match):
            return found
        mismatch = VersionMismatch(name, version, _runs(settings))
        if settings.version_failure is VersionFailure.REJECT:
            raise _RunsElsewhereError(mismatch)

        def refuse(*_: object) -> NoReturn:
            raise mismatch

        return evolve(found, function=refuse, style="plain", refusal=details_of(mismatch))


def runs_here(version: str | None, current: str | None, match: VersionMatch) -> bool:
    """Whether a host of the version `current` runs instances of that version."""
    if match is VersionMatch.NONE:
        return True
    if match is VersionMatch.STRICT:
        return _order(version or "", current or "") == 0
    return not version or not current or _order(version, current) <= 0


def _order(one: str, other: str) -> int:
    """Dotted numbers by number, all else as text in any case; negative when `one` is older."""
    numbers = _numbers(one), _numbers(other)
    if numbers[0] and numbers[1]:
        return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    texts = one.casefold(), other.casefold()
    return (texts[0] > texts[1]) - (texts[0] < texts[1])


def _numbers(version: str) -> list[int]:
    dotted = re.fullmatch(r"[0-9]+(\.[0-9]+)*", version)
    return [int(part) for part in version.split(".")] if dotted else []


def _runs(settings: HostSettings) -> str:
    current = settings.default_version
    if settings.version_match is VersionMatch.STRICT:
        return f"version {current!r} only" if current else "what has no version only"
    return f"version {current!r} and older"
