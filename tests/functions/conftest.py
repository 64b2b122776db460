"""Functions apps in temporary folders, as users write them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from textwrap import dedent

import pytest

from perdure import App
from perdure.functions import FunctionsApp, load
from perdure.functions.kernel import kernel_app
from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store

HEAD = """\
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""

Write = Callable[[Mapping[str, str]], Path]
Load = Callable[[Mapping[str, str]], FunctionsApp]
Decorated = Callable[[str], App]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the files of an app and give its folder; each app gets one of its own."""

    def files(content: Mapping[str, str]) -> Path:
        folder = tmp_path / f"app{len(list(tmp_path.iterdir()))}"
        for name, text in {"host.json": '{"version": "2.0"}', **content}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), "utf-8")
        return folder

    return files


@pytest.fixture
def loaded(write: Write) -> Iterator[Load]:
    """Load an app of these files, and let go of it at the end."""
    with ExitStack() as stack:
        yield lambda files: stack.enter_context(load(write(files)))


@pytest.fixture
def decorated(loaded: Load) -> Decorated:
    """Make an App of the body of a `function_app.py`."""
    return lambda body: kernel_app(loaded({"function_app.py": HEAD + dedent(body)}))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a new store; an environment over it comes back from a crash with what is in it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    (tmp_path / "hub").mkdir()
    with closing(SQLiteStore(tmp_path / "hub" / "hub.db")) as opened:
        yield opened
