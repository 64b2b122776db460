"""A provider whose spans can be looked at, and the tree that they are."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from perdure.persistence.memory import MemoryStore
from perdure.persistence.sqlite import SQLiteStore
from perdure.persistence.store import Store
from perdure.telemetry import Telemetry


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a new store; an environment over it comes back from a crash with what is in it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SQLiteStore(tmp_path / "hub.db")) as opened:
        yield opened


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    yield made
    made.shutdown()


@pytest.fixture
def telemetry(provider: TracerProvider) -> Telemetry:
    return Telemetry(provider, NoOpMeterProvider())


@pytest.fixture
def tree(exporter: InMemorySpanExporter) -> Callable[[], str]:
    """Draw all spans so far; fail for one that was told twice or whose parent was not told."""

    def draw() -> str:
        spans = sorted(exporter.get_finished_spans(), key=order)
        children: dict[int, list[ReadableSpan]] = {}
        for span in spans:
            children.setdefault(span.parent.span_id if span.parent else 0, []).append(span)
        ids = [span.context.span_id for span in spans if span.context]
        assert len(set(ids)) == len(spans)
        assert children.keys() <= {0, *ids}
        return "\n" + "".join(lines(children, 0, 2))

    return draw


def order(span: ReadableSpan) -> tuple[int, str]:
    return span.start_time or 0, span.name


def lines(children: dict[int, list[ReadableSpan]], parent: int, depth: int) -> Iterator[str]:
    for span in children.get(parent, []):
        error = " !" if span.status.status_code is StatusCode.ERROR else ""
        yield f"{'  ' * depth}{span.name} {span.kind.name}{error}\n"
        assert span.context
        yield from lines(children, span.context.span_id, depth + 1)


@pytest.fixture
def named(exporter: InMemorySpanExporter) -> Callable[[str], list[ReadableSpan]]:
    """Give the spans of that name and kind, like `activity:hello CLIENT`, oldest first."""

    def find(wanted: str) -> list[ReadableSpan]:
        spans = sorted(exporter.get_finished_spans(), key=order)
        return [span for span in spans if f"{span.name} {span.kind.name}" == wanted]

    return find
