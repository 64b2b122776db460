"""A stateful counter: an entity is an object that outlives its process, called by many at once."""

import anyio
from attrs import define, field

from perdure import App, EntityContext, EntityOperationFailedError, Runtime

app = App("counter")


@app.entity
@define
class Counter:
    """Counts visits; the class is the state, and its public methods are the operations."""

    count: int = 0
    milestones: list[int] = field(factory=list[int])

    def visit(self, ctx: EntityContext, people: int) -> int:
        """Count visitors; every hundredth is told to the gate's `Log`."""
        if people < 1:
            raise ValueError("nobody came")
        hundreds = self.count // 100
        self.count += people
        if self.count // 100 > hundreds:
            self.milestones.append(self.count)
            ctx.signal_entity(ctx.entity(Log, "gate"), Log.write, f"{ctx.entity_key}: {self.count}")
        return self.count

    def reset(self) -> None:
        self.count = 0


@app.entity
@define
class Log:
    lines: list[str] = field(factory=list[str])

    def write(self, line: str) -> int:
        self.lines.append(line)
        return len(self.lines)


async def tell() -> None:
    async with Runtime(app) as runtime:
        client = runtime.client
        museum = client.entity(Counter, "museum")

        async def school_class() -> None:
            await museum.call(Counter.visit, 25)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(school_class)
        try:
            await museum.call(Counter.visit, 0)
        except EntityOperationFailedError as error:
            print(f"refused: {error.details.message}")
        print(await museum.read())
        await museum.signal(Counter.reset)
        print(await museum.call(Counter.visit, 1), "after the reset")
        # The log's mail is in order: what the museum has sent is there before this call.
        await client.entity(Log, "gate").call(Log.write, "closed")
        print(await client.entity(Log, "gate").read())


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
