"""A store that a runtime of this process runs, and the command line beside it."""

import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import define
from starlette.types import ASGIApp
from typer.testing import CliRunner

from perdure import App, Runtime, Status
from perdure.cli.program import program
from perdure.http import serve
from perdure.persistence.records import InstanceRow
from perdure.persistence.store import Store


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shop", Path(__file__).with_name("shop.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@define
class CommandLine:
    """Runs commands as the shell would, in this process."""

    def run(self, *arguments: str, given: str | bytes | None = None) -> tuple[int, str, str]:
        ran = CliRunner().invoke(program, arguments, input=given)
        assert "Traceback" not in ran.stderr, ran.stderr
        return ran.exit_code, ran.stdout, ran.stderr

    def __call__(self, *arguments: str, given: str | bytes | None = None) -> str:
        """What a command prints that does well."""
        code, out, errors = self.run(*arguments, given=given)
        assert code == 0, errors
        return out

    def json(self, *arguments: str) -> list[Any]:
        """The lines of a command that is asked for JSON."""
        return [json.loads(line) for line in self(*arguments, "--json").splitlines()]

    def refused(self, code: int, *arguments: str, given: str | bytes | None = None) -> str:
        """The one line that a command says when it ends with that exit status."""
        actual, _, errors = self.run(*arguments, given=given)
        assert actual == code, errors
        assert errors.count("\n") == 1
        assert errors.startswith("perdure: ")
        return errors


@pytest.fixture
def perdure() -> CommandLine:
    return CommandLine()


@define
class Hub:
    """A store that is run."""

    path: Path
    portal: BlockingPortal
    runtime: Runtime

    def until(self, instance_id: str, *statuses: Status) -> None:
        """Wait for an instance to get there."""
        self.when(instance_id, lambda row: row.status in statuses)

    def when(self, instance_id: str, until: Callable[[InstanceRow], bool]) -> None:
        """Wait until an instance's row is like that; it may not be there yet."""

        def look(store: Store) -> bool | None:
            row = store.instance(instance_id)
            return True if row is not None and until(row) else None

        self._follow(instance_id, look)

    def recorded(self, instance_id: str, text: str) -> None:
        """Wait until there is something like that in an instance's history."""

        def look(store: Store) -> bool | None:
            turns = store.history(instance_id)
            return True if any(text in turn.events for turn in turns) else None

        self._follow(instance_id, look)

    def _follow(self, instance_id: str, look: Callable[[Store], bool | None]) -> None:
        async def wait() -> None:
            await self.runtime.client.gateway.follow(instance_id, look)

        self.portal.call(wait)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store that commands take when none is named."""
    for name in ("PERDURE_URL", "PERDURE_KEY", "PERDURE_READ_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PERDURE_STORE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "hub.db"


@pytest.fixture
def app() -> App:
    found: App = loaded().app
    return found


@pytest.fixture
def hub(path: Path, app: App) -> Iterator[Hub]:
    """A runtime over the store."""
    with start_blocking_portal() as portal:
        runtime = Runtime(app, path, poll_interval=0.005)
        with portal.wrap_async_context_manager(runtime):
            yield Hub(path, portal, runtime)


@asynccontextmanager
async def serving(site: ASGIApp) -> AsyncGenerator[str]:
    async with anyio.create_task_group() as group:
        yield await group.start(partial(serve, site, port=0, signals=False))
        group.cancel_scope.cancel()


@pytest.fixture
def listening() -> Callable[[ASGIApp], AbstractAsyncContextManager[str]]:
    """Serve an ASGI app on a free port; gives its URL."""
    return serving


@pytest.fixture
def at_the_shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process, as if it were begun in the folder of the shop."""
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("shop", None)
