"""Each code: what it finds, and what looks alike and is fine."""

from collections.abc import Callable

import pytest

from perdure.lint import RULES

WRONG = {
    "PER101": [
        "datetime.now() + timedelta(days=1)",
        "date.today()",
        "time.monotonic()",
        "time.localtime()",
        "clock = time.time",
        "async def inner(at=datetime.utcnow()): ...",
    ],
    "PER102": [
        "random.choice([1, 2])",
        "os.urandom(4)",
        "random.Random().random()",
        "sorted([1, 2], key=lambda _: random.random())",
    ],
    "PER103": ["uuid.uuid4()", "uuid.uuid1()", "make = uuid.uuid4"],
    "PER104": ["os.environ['HOME']", "os.environ.get('HOME')", "os.getenv('X')", "Path.cwd()"],
    "PER105": ["hash('text')", "sorted([ctx, n], key=id)"],
    "PER106": [
        "open('x')",
        "Path('x').read_text()",
        "(Path('x') / 'y').exists()",
        "folder = Path('x')\nfolder.mkdir()",
        "os.path.exists('x')",
        "async with await anyio.open_file('x') as file: ...",
    ],
    "PER107": [
        "httpx.get('http://x')",
        "async with httpx.AsyncClient() as web: ...",
        "import requests\nrequests.post('http://x')",
        "async with Runtime(app): ...",
    ],
    "PER108": ["subprocess.run(['ls'])", "os.system('ls')", "await anyio.run_process('ls')"],
    "PER109": [
        "threading.Thread(target=len)",
        "lock = threading.Lock()",
        "await asyncio.to_thread(work, 1)",
        "await anyio.to_thread.run_sync(int)",
    ],
    "PER110": ["time.sleep(1)", "answer = input()"],
    "PER111": [
        "await asyncio.sleep(1)",
        "await asyncio.gather(helper(ctx, 1), helper(ctx, 2))",
        "await asyncio.Event().wait()",
        "import trio\nasync with trio.open_nursery(): ...",
    ],
    "PER112": [
        "for name in names:\n    await ctx.call_activity(work, name)",
        "for name in list(names):\n    await helper(ctx, name)",
        "await ctx.task_all([ctx.call_activity(work, name) for name in names])",
        "await ctx.task_any({ctx.create_timer(1), ctx.create_timer(2)})",
        "for name in names | {'x'}:\n    await anyio.sleep(1)",
        "found = list(names - {'x'})\nfor name in found:\n    await anyio.sleep(1)",
        "names.pop()",
        "for name in dict.fromkeys(names):\n    async with anyio.Lock():\n        n += 1",
        "for name in names.union({'x'}):\n    group.start_soon(helper, ctx, name)",
        "for name in names:\n    class Inner:\n        _task = ctx.create_timer(1)\n    n += 1",
        "next(iter(names))",
    ],
    "PER113": [
        "ctx.call_activity(work, 1)",
        "timer = ctx.create_timer(1)",
        "ctx.task_all([ctx.create_timer(1)])",
        "helper(ctx, 1)",
        "anyio.sleep(1)",
        "ctx.entity('counter', 'c').call('add', 1)",
        "account = ctx.entity('account', 'a')\naccount.call('add', 1)",
    ],
    "PER114": [
        "while True:\n    await anyio.sleep(1)",
        "while 1:\n    for i in range(3):\n        await anyio.sleep(i)\n        break",
        "while True:\n    def pick():\n        return 1\n    await anyio.sleep(pick())",
        "for i in count():\n    await helper(ctx, i)",
    ],
    "PER115": [
        "SEEN.append(1)",
        "SEEN[0] = 1",
        "app.name = 'x'",
        "global TOTAL\nTOTAL += 1",
        "del SEEN[0]",
        "next(NUMBERS)",
        "CHANCE.random()",
        "global fresh\nfresh = 1",
        "def more():\n    global TOTAL\n    TOTAL += 1",
        "async def inner():\n    SEEN.append(1)\nawait inner()",
    ],
    "PER116": ["await work(1)", "work(1)"],
    "PER117": [
        "try:\n    await anyio.sleep(1)\nexcept BaseException:\n    pass",
        "try:\n    await anyio.sleep(1)\nexcept:\n    n = 1",
        "try:\n    await helper(ctx, 1)\nexcept (OSError, BaseException):\n    pass",
        "with contextlib.suppress(BaseException):\n    await anyio.sleep(1)",
        "try:\n    await anyio.sleep(1)\nexcept anyio.get_cancelled_exc_class():\n    pass",
    ],
    "PER118": ["print('x')", "logging.info('x')", "logging.getLogger('x').warning('x')"],
}

FINE = {
    "PER101": ["ctx.current_utc_datetime", "datetime(2030, 1, 1)", "time.gmtime(5)"],
    "PER102": ["ctx.random.random()", "random.Random(5).random()"],
    "PER103": ["ctx.new_guid()", "uuid.UUID(int=5)", "uuid.uuid5(uuid.NAMESPACE_DNS, 'x')"],
    "PER104": ["os.sep", "os.path.join('a', 'b')"],
    "PER105": ["id = 5\nprinted = id", "n.hash"],
    "PER106": ["Path('x').name", "Path('x') / 'y'", "os.path.basename('x')", "n.open()"],
    "PER107": ["httpx.Timeout(5)", "await ctx.call_http('GET', 'http://x')"],
    "PER108": ["isinstance(n, subprocess.CompletedProcess)"],
    "PER109": ["anyio.Lock()", "async with anyio.create_task_group(): ..."],
    "PER110": ["await anyio.sleep(1)", "await ctx.create_timer(1)"],
    "PER111": [
        "try:\n    await anyio.sleep(1)\nexcept asyncio.TimeoutError:\n    pass",
        "await anyio.Event().wait()",
    ],
    "PER112": [
        "for name in sorted(names):\n    await ctx.call_activity(work, name)",
        "for name in names:\n    n += len(name)",
        "found = list(names)\nfound.sort()\nfor name in found:\n    await anyio.sleep(1)",
        "for name in names:\n    ctx.logger.info(name)",
        "[1, 2].pop()",
        "await ctx.task_all([ctx.call_activity(work, name) for name in ('a', 'b')])",
    ],
    "PER113": [
        "_ = ctx.call_activity(work, 1)",
        "timer = ctx.create_timer(1)\nawait timer",
        "ctx.start_new('other')",
        "ctx.entity('counter', 'c').signal('add', 1)",
        "ctx.set_custom_status('x')",
        "async with anyio.create_task_group() as group:\n    group.start_soon(helper, ctx, 1)",
    ],
    "PER114": [
        "while True:\n    if await helper(ctx, 1):\n        break",
        "while True:\n    try:\n        return await helper(ctx, 1)\n    except OSError: ...",
        "while True:\n    n += 1",
        "while n:\n    n = await helper(ctx, 1)",
        "with anyio.move_on_after(5):\n    while True:\n        await anyio.sleep(1)",
        "while True:\n    await anyio.sleep(1)\n    ctx.continue_as_new(n)",
    ],
    "PER115": [
        "mine = []\nmine.append(1)",
        "mine = []\nasync def inner():\n    mine.append(1)\nawait inner()",
        "SEEN = []\nSEEN.append(1)",
        "count = 0\ndef more():\n    nonlocal count\n    count += 1",
        "len(SEEN)",
        "next(iter([1]))",
        "TOTAL = 1\nTOTAL += 1",
    ],
    "PER116": ["await ctx.call_activity(work, 1)", "await ctx.call_sub_orchestrator(work, 1)"],
    "PER117": [
        "try:\n    await anyio.sleep(1)\nexcept Exception:\n    pass",
        "try:\n    await anyio.sleep(1)\nexcept BaseException:\n    n = 1\n    raise",
        "try:\n    n += 1\nexcept BaseException:\n    pass",
        (
            "try:\n    await anyio.sleep(1)\nexcept anyio.get_cancelled_exc_class():\n"
            "    raise\nexcept BaseException:\n    pass"
        ),
    ],
    "PER118": [
        "ctx.logger.info('x')",
        "if not ctx.is_replaying:\n    print('x')",
        "logging.getLogger('x')",
    ],
}

Codes = Callable[[str], list[str]]


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(code, body) for code, bodies in table.items() for body in bodies]


def test_every_code_is_tried_both_ways() -> None:
    of_orchestrators = RULES.keys() - {"PER100"}
    assert WRONG.keys() == of_orchestrators
    assert FINE.keys() == of_orchestrators


@pytest.mark.parametrize(("code", "body"), cases(WRONG))
def test_what_is_wrong_is_found(code: str, body: str, codes: Codes) -> None:
    assert set(codes(body)) == {code}


@pytest.mark.parametrize(("code", "body"), cases(FINE))
def test_what_looks_alike_is_left_alone(code: str, body: str, codes: Codes) -> None:
    assert codes(body) == []
