"""Code to be linted, as text."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from perdure.lint import Finding, lint

PREAMBLE = """\
import asyncio, contextlib, logging, os, random, subprocess, threading, time, uuid
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
import anyio, httpx
from perdure import App, OrchestrationContext, Runtime
app = App()
SEEN = []
NUMBERS = iter([1, 2])
CHANCE = random.Random(5)
TOTAL = 0

@app.activity
async def work(n: int) -> int:
    return n

async def helper(ctx, n):
    return await ctx.call_activity(work, n)
"""

Lint = Callable[[str], list[Finding]]


@pytest.fixture
def linted(tmp_path: Path) -> Lint:
    """Lint a whole file."""

    def linted(text: str) -> list[Finding]:
        path = tmp_path / "program.py"
        path.write_text(dedent(text), "utf-8")
        return lint([path])

    return linted


@pytest.fixture
def codes(linted: Lint) -> Callable[[str], list[str]]:
    """Lint what an orchestrator does, and give the codes found."""

    def codes(body: str) -> list[str]:
        head = "@app.orchestration\nasync def story(ctx, names: set[str], n: int):\n"
        return [found.code for found in linted(PREAMBLE + head + indent(dedent(body), "    "))]

    return codes
