"""Functions apps run by the host in this process, at a free port of the loopback address."""

import json
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from attrs import evolve

from perdure.functions import host
from perdure.runtime.host import Seams, real_seams
from perdure.testing import VirtualClock

EXAMPLES = Path(__file__).parents[3] / "examples" / "functions"

Hosting = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Written = Callable[..., Path]
Report = list[str]


@pytest.fixture
def anyio_backend() -> str:
    """Functions are written for asyncio, with aiohttp inside their clients."""
    return "asyncio"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings say nothing about the apps."""
    for name in ("AzureWebJobsStorage", "WEBSITE_SITE_NAME", "WEBSITE_TIME_ZONE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def report() -> Report:
    """What hosts have said when they started."""
    return []


@pytest.fixture
def hosting(report: Report) -> Hosting:
    """Runs the app in a folder; gives a client for it."""

    @asynccontextmanager
    async def run(folder: Path, **options: Any) -> AsyncGenerator[httpx.AsyncClient]:
        async with anyio.create_task_group() as group:
            serving = partial(host, folder, port=0, show=report.append, **options)
            url = await group.start(serving)
            async with httpx.AsyncClient(base_url=url, timeout=30) as http:
                yield http
            group.cancel_scope.cancel()

    return run


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of an example, as a user would have it."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))

    return copied


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """An app of these lines, with these settings of the extension and of the app."""

    def write(
        code: str,
        durable: dict[str, Any] | None = None,
        values: dict[str, Any] | None = None,
        **root: Any,
    ) -> Path:
        extensions = {"durableTask": durable or {}, **root.pop("extensions", {})}
        said = {"version": "2.0", "extensions": extensions, **root}
        (tmp_path / "function_app.py").write_text(code)
        (tmp_path / "host.json").write_text(json.dumps(said))
        (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values or {}}))
        return tmp_path

    return write


@pytest.fixture
def clock() -> VirtualClock:
    """Time that passes when the test says so, for a host with the seams below."""
    return VirtualClock(datetime(2030, 1, 1, 11, 58, tzinfo=UTC))


@pytest.fixture
def seams(clock: VirtualClock) -> Seams:
    """The machine's own, but for the time."""
    return evolve(real_seams(), clock=clock)
