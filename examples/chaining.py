"""Function chaining: each step works on what the one before it found, and none is done twice."""

from datetime import timedelta

import anyio
from attrs import evolve, frozen

from perdure import App, OrchestrationContext, RetryPolicy, Runtime

app = App("chaining")


@frozen
class Parcel:
    """What travels through the steps."""

    contents: str
    grams: int
    address: str = ""
    label: str = ""


@app.activity
def weigh(contents: str) -> Parcel:
    """A sync activity runs in a thread: it may block."""
    return Parcel(contents, grams=100 * len(contents))


@app.activity(retry=RetryPolicy(max_attempts=5, first_interval=timedelta(seconds=1), backoff=2.0))
async def find_address(customer: str) -> str:
    """Services fail now and then: the call is repeated, and a restart does not forget how often."""
    known = {"Ada": "12 St James's Square, London", "Grace": "2345 Crystal Drive, Arlington"}
    return known[customer]


@app.activity
async def print_label(parcel: Parcel) -> str:
    return f"{parcel.contents}, {parcel.grams} g, to {parcel.address}"


@app.orchestration
async def ship(ctx: OrchestrationContext, contents: str, customer: str) -> Parcel:
    parcel = await ctx.call_activity(weigh, contents)
    parcel = evolve(parcel, address=await ctx.call_activity(find_address, customer))
    return evolve(parcel, label=await ctx.call_activity(print_label, parcel))


async def tell() -> None:
    async with Runtime(app) as runtime:
        instance = await runtime.client.start_new(ship, "a difference engine", "Ada")
        parcel = await instance.result()
        print(parcel.label)


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
