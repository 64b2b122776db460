"""The Durable Task SDK for Python over its backend in memory, which speaks gRPC in the process."""

import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any

import anyio
import anyio.to_thread

from ..bench import Bench, Sizes, Workload

Body = Callable[[Any, Any], Any]
WAITERS = 3
"""The backend serves ten calls at a time: more that wait, and nobody could tell it that it is done.
So latencies are a little too long, and rates right."""


def _greet(_: Any, number: int) -> int:
    return number


def _in_a_row(context: Any, steps: Any) -> Any:
    for number in range(steps):
        yield context.call_activity(_greet, input=number)


def _at_once(context: Any, steps: Any) -> Any:
    task: Any = import_module("durabletask.task")
    yield task.when_all([context.call_activity(_greet, input=n) for n in range(steps)])


def _opened(stack: ExitStack, orchestrator: Body) -> Any:
    """A client of a hub with a worker."""
    hub: Any = import_module("durabletask.testing.in_memory_backend")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    backend = hub.create_test_backend(port=port, max_history_size=1_000_000)
    stack.callback(backend.stop)
    address, quiet = f"localhost:{port}", logging.NullHandler()
    worker: Any = import_module("durabletask.worker").TaskHubGrpcWorker(
        host_address=address, log_handler=quiet
    )
    worker.add_orchestrator(orchestrator)
    worker.add_activity(_greet)
    worker.start()
    stack.callback(worker.stop)
    client: Any = import_module("durabletask.client").TaskHubGrpcClient(
        host_address=address, log_handler=quiet
    )
    stack.callback(client.close)
    return client


async def _run(bench: Bench, orchestrator: Body) -> None:
    starters, waiters = anyio.CapacityLimiter(WAITERS), anyio.CapacityLimiter(WAITERS)
    in_thread = anyio.to_thread.run_sync
    with ExitStack() as stack:
        client = _opened(stack, orchestrator)

        def begin() -> str:
            begun: str = client.schedule_new_orchestration(orchestrator, input=bench.sizes.steps)
            return begun

        async def one(_: int) -> None:
            begun = await in_thread(begin, limiter=starters)
            wait = partial(client.wait_for_orchestration_completion, begun, timeout=120)
            ended = await in_thread(wait, limiter=waiters)
            if ended.runtime_status.name != "COMPLETED":
                raise AssertionError(f"{begun} is {ended.runtime_status}")

        with bench.meter.clock(lambda: 0):
            await bench.crowd(one)


async def hello(bench: Bench) -> int:
    """Give the number of orchestrations, or of activities when there is but one orchestration."""
    await _run(bench, _in_a_row)
    return bench.sizes.count if bench.sizes.count > 1 else bench.sizes.steps


async def fanout(bench: Bench) -> int:
    """Give the number of activities."""
    await _run(bench, _at_once)
    return bench.sizes.count * bench.sizes.steps


HELLO = Workload(
    hello, "orchestrations of STEPS activities", Sizes(200, 100, 3), lambda s: 2 * s.steps + 2
)
FANOUT = Workload(fanout, "STEPS activities at once", Sizes(1, 1, 500), lambda s: 2 + 2 / s.steps)
