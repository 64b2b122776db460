"""The program of another process: `python tracing_client.py <database>` starts an orchestration.

It says the id of its trace.
"""

import sys
from pathlib import Path

import anyio
import orjson
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id

from perdure import Client
from perdure.telemetry import Telemetry


async def main(database: Path) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    async with Client(database, telemetry=Telemetry(provider)) as client:
        with provider.get_tracer("other").start_as_current_span("request") as request:
            await client.start_new("greets", instance_id="greets")
            await client.entity("Counter", "a").signal("add", 1)
    own = request.get_span_context()
    sys.stdout.buffer.write(orjson.dumps(format_trace_id(own.trace_id)))


anyio.run(main, Path(sys.argv[1]))
