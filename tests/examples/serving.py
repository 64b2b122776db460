"""Serve the ASGI app of an example on a free port, and print the URL.

python serving.py FILE BACKEND
"""

import runpy
import sys
from functools import partial
from typing import Any

import anyio

from perdure.http import serve


async def main(service: Any) -> None:
    async with anyio.create_task_group() as group:
        print(await group.start(partial(serve, service, port=0)), flush=True)  # noqa: T201


if __name__ == "__main__":
    anyio.run(main, runpy.run_path(sys.argv[1])["service"], backend=sys.argv[2])
