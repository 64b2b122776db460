"""A bank behind FastAPI: accounts are entities, a transfer is an orchestration that locks both.

`python bank_fastapi.py`, or `hypercorn -w 0 bank_fastapi:service`, or any other ASGI server.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import anyio
from attrs import define
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from perdure import App, EntityOperationFailedError, OrchestrationContext, Runtime
from perdure.http import management_app, serve

app = App("bank")
runtime = Runtime(app, store="sqlite:///bank.db")
Amount = Annotated[int, Field(gt=0)]


@app.entity
@define
class Account:
    balance: int = 0

    def add(self, amount: int) -> int:
        if self.balance + amount < 0:
            raise ValueError(f"there are only {self.balance}")
        self.balance += amount
        return self.balance


@dataclass(frozen=True)
class Transfer:
    source: str
    target: str
    amount: Amount


@app.orchestration
async def transfer(ctx: OrchestrationContext, order: Transfer) -> int:
    """Move the amount and return what is left, or fail and move nothing."""
    source, target = ctx.entity(Account, order.source), ctx.entity(Account, order.target)
    async with ctx.lock_entities(source, target):
        left = await source.call(Account.add, -order.amount)
        await target.call(Account.add, order.amount)
    return left


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with runtime:
        yield


service = FastAPI(title="A bank", lifespan=lifespan)
service.mount("/runtime/webhooks/durabletask", management_app(runtime))


@service.post("/accounts/{owner}/deposit")
async def deposit(owner: str, amount: Amount) -> int:
    return await runtime.client.entity(Account, owner).call(Account.add, amount)


@service.post("/accounts/{owner}/withdraw")
async def withdraw(owner: str, amount: Amount) -> int:
    return await runtime.client.entity(Account, owner).call(Account.add, -amount)


@service.post("/transfers", status_code=202)
async def move(request: Request, order: Transfer) -> Response:
    instance = await runtime.client.start_new(transfer, order)
    links: Response = runtime.client.create_check_status_response(request, instance.instance_id)
    return links


@service.exception_handler(EntityOperationFailedError)
async def refuse(_: Request, error: EntityOperationFailedError) -> Response:
    return JSONResponse({"detail": error.details.message}, status_code=409)


if __name__ == "__main__":
    anyio.run(serve, service)
