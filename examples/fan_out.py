"""Fan-out and fan-in: count the words of many texts at once, then add up what was found."""

from collections import Counter

import anyio
from attrs import frozen

from perdure import App, OrchestrationContext, Runtime

app = App("fan-out")

LINES = [
    "the rain has come",
    "and the rain has gone",
    "the gutters go on remembering",
    "and the roof forgets",
]


@frozen
class Words:
    """How often each word was found."""

    counts: dict[str, int]

    @property
    def longest(self) -> str:
        """The longest word; of several the first in the alphabet."""
        return min(self.counts, key=lambda word: (-len(word), word))


@app.activity(max_concurrency=16)
def count_words(text: str) -> Words:
    return Words(dict(Counter(text.lower().split())))


@app.orchestration
async def survey(ctx: OrchestrationContext, texts: list[str]) -> Words:
    """All activities are under way before the first is awaited."""
    found = await ctx.task_all([ctx.call_activity(count_words, text) for text in texts])
    total: Counter[str] = Counter()
    for words in found:
        total.update(words.counts)
    return Words(dict(total))


@app.orchestration
async def longest_of_each(ctx: OrchestrationContext, texts: list[str]) -> list[str]:
    """A task group does it as well: its children are plain coroutines."""
    longest: list[str] = []

    async def look(text: str) -> None:
        words = await ctx.call_activity(count_words, text)
        longest.append(words.longest)

    async with anyio.create_task_group() as group:
        for text in texts:
            group.start_soon(look, text)
    return sorted(longest, key=lambda word: (len(word), word))


async def tell() -> None:
    async with Runtime(app) as runtime:
        client = runtime.client
        words = await (await client.start_new(survey, LINES)).result()
        print(f"{sum(words.counts.values())} words, the longest is {words.longest!r}")
        print(await (await client.start_new(longest_of_each, LINES)).result())


def main() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(tell, backend=backend)


if __name__ == "__main__":
    main()
