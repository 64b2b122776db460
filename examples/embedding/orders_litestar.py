"""Orders behind Litestar: each waits for somebody's approval, however often the service restarts.

`python orders_litestar.py`, or `hypercorn -w 0 orders_litestar:service`, or any other ASGI server.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
from litestar import Litestar, Request, Response, asgi, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, JSONBody

from perdure import App, InstanceNotFoundError, InstanceStateError, OrchestrationContext, Runtime
from perdure.http import management_app, serve

app = App("orders")
runtime = Runtime(app, store="sqlite:///orders.db")


@dataclass(frozen=True)
class Order:
    item: str
    euros: int


@dataclass(frozen=True)
class Answer:
    by: str
    approved: bool


@app.activity
async def write_to_the_boss(order: Order) -> None:
    """Stands for a mail."""
    async with await anyio.open_file("outbox.txt", "a") as outbox:
        await outbox.write(f"{order.item} for {order.euros} euros?\n")


@app.orchestration
async def purchase(ctx: OrchestrationContext, order: Order) -> str:
    """Ask for what is expensive, and wait a week for the answer."""
    if order.euros >= 100:
        await ctx.call_activity(write_to_the_boss, order)
        ctx.set_custom_status("waiting for the boss")
        with anyio.move_on_after(timedelta(days=7).total_seconds()):
            answer = await ctx.wait_for_external_event("answer", Answer)
            return f"{'bought' if answer.approved else 'refused'} by {answer.by}"
        return "forgotten"
    return "bought"


@post("/orders", status_code=202)
async def order(data: JSONBody[Order], request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    instance = await runtime.client.start_new(purchase, data)
    links = runtime.client.create_http_management_payload(request, instance.instance_id)
    return Response(links, headers={"Location": links["statusQueryGetUri"]})


@post("/orders/{number:str}/answer", status_code=204)
async def answer(number: FromPath[str], data: JSONBody[Answer]) -> None:
    try:
        await runtime.client.raise_event(number, "answer", data)
    except InstanceNotFoundError as error:
        raise NotFoundException(str(error)) from error
    except InstanceStateError as error:
        raise HTTPException(str(error), status_code=409) from error


@asynccontextmanager
async def lifespan(_: Litestar) -> AsyncGenerator[None]:
    async with runtime:
        yield


mount = asgi("/runtime/webhooks/durabletask", is_mount=True, copy_scope=True)
service = Litestar([order, answer, mount(management_app(runtime))], lifespan=[lifespan])

if __name__ == "__main__":
    anyio.run(serve, service)
