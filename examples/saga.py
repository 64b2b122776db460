"""A saga: when a later step fails, what was done before is undone, last things first."""

import anyio
from attrs import frozen

from perdure import App, OrchestrationContext, Runtime, TaskFailedError

app = App("saga")


@frozen
class Trip:
    city: str
    nights: int


@frozen
class Outcome:
    booked: list[str]
    problem: str | None = None
    """Why nothing is booked."""


class SoldOut(Exception):
    """Nothing is left; asking again would not help."""

    non_retriable = True


@app.activity
async def book_flight(trip: Trip) -> str:
    return f"flight to {trip.city}"


@app.activity
async def book_hotel(trip: Trip) -> str:
    if trip.nights > 7:
        raise SoldOut(f"no hotel in {trip.city} for {trip.nights} nights")
    return f"{trip.nights} nights in {trip.city}"


@app.activity
async def cancel_booking(booking: str) -> None:
    print(f"cancelled: {booking}")


@app.orchestration
async def travel(ctx: OrchestrationContext, trip: Trip) -> Outcome:
    """Book everything or nothing; a crash on the way back does not stop the way back."""
    booked: list[str] = []
    try:
        booked.append(await ctx.call_activity(book_flight, trip))
        booked.append(await ctx.call_activity(book_hotel, trip))
    except TaskFailedError as error:
        for booking in reversed(booked):
            await ctx.call_activity(cancel_booking, booking)
        return Outcome([], error.details.message)
    return Outcome(booked)


async def tell() -> None:
    async with Runtime(app) as runtime:
        for trip in (Trip("Rome", 3), Trip("Oslo", 9)):
            instance = await runtime.client.start_new(travel, trip)
            print(await instance.result())


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
