"""One run of a simulation: clients, processes that live and die, one disk, and chance."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, cast

from attrs import Factory, define

from perdure.actors.app import App
from perdure.actors.history import Event
from perdure.actors.moments import micros
from perdure.persistence.records import Whole
from perdure.persistence.store import Store
from perdure.runtime.checked import checked_awaitable
from perdure.runtime.client.client import Client
from perdure.runtime.client.courier import Courier
from perdure.runtime.client.gateway import Gateway
from perdure.runtime.client.store_gateway import StoreGateway

from ..checking.history import History
from ..checking.ledger import Ledger, Step
from ..checking.recording import RecordingGateway
from ..virtual_loop import MICROS, VirtualLoop
from .choices import Chances, Choices, Quieted
from .clock import MachineClock, PollingClock
from .disk import Commits, Disk, DiskView
from .door import UNKNOWN, Door
from .faults import Faults, Misfortune
from .labour import employ
from .lane import VirtualLane
from .process import ChanceQueue, DisconnectedError, Process

T = TypeVar("T")
Scenario = Callable[[Client, Chances], Awaitable[object]]

START = micros(datetime(2030, 1, 1, tzinfo=UTC))
PASSES_MAX = 200_000
"""So many passes of the event loop nobody needs: the run goes on for ever."""
PATIENCE = 600 * MICROS
"""If nothing has become durable for so long, faults are over."""
TOLD = ("name", "operation", "input", "result", "output", "failure")
"""What a trace tells of an event, as far as it has that."""
WORDS_MAX = 80
LATER_THAN_ANY_TEST = 100 * 365 * 86_400.0
CLOCK_JUMP = 3_600 * MICROS
POLLED = 60_000
"""So soon a process that polls its inbox has usually seen what was posted."""
POLLED_AT_LAST = 64 * POLLED
"""After pauses that grow up to this one, it has had its time, however slow its store was."""


@define
class Ended:
    """What is there when nothing is left to happen."""

    app: App
    client: Client
    """To look at instances and entities."""
    history: History
    ledger: Ledger
    wholes: list[Whole]
    """All that the store holds."""
    unfinished: dict[int, str] = Factory(dict[int, str])
    """Clients that still wait, by number, with what they asked last."""


@define
class Line:
    """One line of a trace."""

    at: int
    """Microseconds since the beginning."""
    who: str
    what: str
    steps: Sequence[Step] = ()

    def __str__(self) -> str:
        text = f"{self.at / MICROS:14.6f}  {self.who:10} {self.what}"
        for step in self.steps:
            taken = ", ".join(_in_short(event) for event in step.taken)
            text += f"\n{'':16}{'':10} turn of {step.actor}: {taken}"
        return text


class World:
    """Everything that there is in one run."""

    def __init__(
        self,
        app: App,
        choices: Choices,
        faults: Faults,
        quieted: Quieted,
        store: Callable[[], Store],
        settings: dict[str, Any],
    ) -> None:
        self.loop = VirtualLoop(PASSES_MAX)
        self.loop.set_exception_handler(self._stray)
        self.context = copy_context()
        self.start = START
        self.choices = choices
        self.misfortune = Misfortune(faults, choices)
        self.disk = Disk(store(), self.loop, self.misfortune)
        self.disk.when_posted = self._let_poll
        self.clock = MachineClock(self.loop, START)
        self.app = app
        employ(app, self)
        self.history = History(moment=self.loop.tick)
        self.trace: list[Line] = []
        self.broken: list[str] = []
        """What no fault explains."""
        self.unfinished = 0
        """How many clients still waited in the end."""
        self._quieted = quieted
        self._settings = settings
        self._numbers = itertools.count(1)
        self._lives = itertools.count(1)
        self._serving: Process | None = None
        self._awaiting: list[asyncio.Future[Process]] = []
        self._processes: list[Process] = []
        self._requests: dict[int, int] = {}
        self._healing = False
        self._active_at = 0
        self._draws: dict[int, Chances] = {}

    def _stray(self, _: object, what: dict[str, Any]) -> None:
        """The engine has let something go that nobody caught."""
        self.broken.append(f"{what.get('message')}: {what.get('exception')!r}")

    def tell(self, who: str, what: str, steps: Sequence[Step] = ()) -> None:
        """Write a line of the trace."""
        self.trace.append(Line(self.loop.micros, who, what, steps))

    def stir(self) -> None:
        """Something has happened that shows that the run has not come to rest."""
        self._active_at = self.loop.micros

    def _let_poll(self, pause: int = POLLED) -> None:
        """Let time pass until what was posted has been taken: to poll makes no time pass."""

        def again() -> None:
            if pause < POLLED_AT_LAST and self.disk.store.inbox(0):
                self._let_poll(2 * pause)

        self.loop.call_in(pause, again)

    def new_id(self) -> str:
        """An id that nobody has; they are counted, so that runs repeat exactly."""
        return f"{next(self._numbers):032x}"

    # What processes are made of

    def settings(self) -> dict[str, Any]:
        """Settings of a runtime: small limits find more than usual ones."""
        one_of = self.choices.one_of
        chosen: dict[str, Any] = {
            "turns_between_breaths": one_of("breaths", (256, 1, 2, 7)),
            "resident_max": one_of("residents", (20_000, 1, 3)),
            "entity_batch_max": one_of("batches", (5_000, 1, 2)),
            "activities_max": one_of("workers", (1_000, 1, 2)),
            "timer_horizon": one_of("horizon", (LATER_THAN_ANY_TEST, 15.0, 60.0)),
        }
        chosen |= self._settings
        if self._healing:
            # Whoever looks for timers time and again never comes to rest.
            chosen["timer_horizon"] = LATER_THAN_ANY_TEST
        return chosen

    def ready_queue(self) -> ChanceQueue:
        """Who goes next is chance."""
        return ChanceQueue(partial(self.choices.below, "turns"))

    # Processes

    def begin_process(self) -> None:
        """Start the next one."""
        process = Process(self, next(self._lives))
        self._processes.append(process)
        self.tell(process.name, "begins")
        self.loop.create_task(process.live(), context=process.context)

    def serves(self, process: Process) -> None:
        """Clients are served by this one now."""
        self._serving = process
        awaiting, self._awaiting = self._awaiting, []
        for waiter in awaiting:
            if not waiter.done():
                waiter.set_result(process)

    def ended(self, process: Process) -> None:
        """This one is over; another one takes its place, unless there is one already."""
        self._processes.remove(process)
        if self._serving is process:
            self._serving = None
        if not self._processes:
            later = self.choices.delay("restart")
            self.context.copy().run(self.loop.call_in, later, self.begin_process)

    def kill(self, process: Process, why: str) -> None:
        """Let a process die, with all its memory."""
        if not process.stopped:
            self.tell(process.name, why)
            process.end("was killed")

    def take_over(self, process: Process) -> None:
        """Start another process, although this one lives and goes on for a while."""
        self.tell(process.name, "loses the store to another process, and does not know it")
        self.disk.seize()
        reaped = self.choices.delay("reaped")
        self.context.copy().run(
            self.loop.call_in, reaped, self.kill, process, "is killed long after its successor came"
        )
        self.context.copy().run(self.begin_process)

    # Requests

    async def step(self, client: int) -> None:
        """A client is about to do something, if it goes that far."""
        self.stir()
        number = self._requests[client] = self._requests.get(client, 0) + 1
        for who, most in self._quieted.requests:
            if who == client and number > most:
                raise DisconnectedError("this client walks away")
        await self.pause("thought")

    async def travel(self) -> None:
        """A request or an answer is on its way."""
        await self.pause("network")

    async def pause(self, stream: str) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.choices.delay(stream) / MICROS)

    async def ask(self, act: Callable[[Gateway], Awaitable[T]]) -> T:
        """Let the process that serves do something."""
        process = self._serving
        if process is None:
            waiter: asyncio.Future[Process] = self.loop.create_future()
            self._awaiting.append(waiter)
            process = await waiter
        asked = self.loop.create_task(process.ask(act))
        self._suffer(process)
        try:
            value: T = await asked
        except asyncio.CancelledError:
            asked.cancel()
            raise
        return value

    def _suffer(self, process: Process) -> None:
        misfortune = self.misfortune
        if misfortune.strikes("client_leaves"):
            self.loop.call_in(self.choices.delay("leaves"), self._break, process)
        if misfortune.strikes("death_in_operation"):
            later = self.choices.delay("death")
            self.loop.call_in(later, self.kill, process, "is killed while clients wait")
        if misfortune.strikes("clock_jumps"):
            process.clock.skew += self.choices.stream("jump").randint(-CLOCK_JUMP, CLOCK_JUMP)
            self.tell(process.name, f"has a clock that is wrong by {process.clock.skew} us")

    def _break(self, process: Process) -> None:
        if process.connections:
            self.tell(process.name, "loses the connection to a client")
            process.hang_up(process.connections[-1])

    # The run

    def client(self, number: int) -> Client:
        """A client; chance says whether it asks the process or goes to the store by itself."""
        outside = self.choices.one_of(f"door {number}", (False, False, True))
        way = Door(self, number, self._store_gateway(number) if outside else None)
        name = f"client {number}"
        return Client(RecordingGateway(way, self.history, name, outside=outside))

    def _store_gateway(self, number: int) -> StoreGateway:
        view = DiskView(self.disk, f"client {number}", Commits())
        clock = PollingClock(self.loop, START, self.disk)
        lane = VirtualLane(self.loop, lambda: 1 + self.choices.delay(f"lane {number}") % 10_000)
        post = Courier(view.store, lane).post
        return StoreGateway(self.app, clock, self.new_id, view.store, lane, post)

    def chances(self, number: int) -> Chances:
        """What a scenario draws from."""
        least = dict(self._quieted.draws).get(number)
        chances = self._draws[number] = Chances(f"{self.choices.seed}/scenario {number}", least)
        return chances

    @property
    def requests(self) -> dict[int, int]:
        """How many requests each client has made."""
        return dict(self._requests)

    @property
    def draws(self) -> dict[int, int]:
        """How often each client has drawn from its chances."""
        return {number: chances.draws for number, chances in self._draws.items()}

    async def run(self, scenarios: Sequence[Scenario]) -> Ended:
        """Let all clients do what they do, with faults, and then everything come to rest."""
        loop = self.loop
        still = loop.create_future()
        self.begin_process()
        clients = {
            number: loop.create_task(self._play(number, scenario))
            for number, scenario in enumerate(scenarios)
            if number not in self._quieted.clients
        }
        while not all(task.done() for task in clients.values()) and not self._is_idle:
            await asyncio.wait(clients.values(), timeout=PATIENCE / MICROS)
        self._heal()

        def is_still() -> bool:
            was = still.done()
            if not was:
                still.set_result(None)
            return not was

        loop.when_still = is_still
        await still
        loop.when_still = lambda: False
        self.misfortune.over = True
        unfinished = {n: self._last_words(n) for n, task in clients.items() if not task.done()}
        for task in clients.values():
            if task.done() and (error := task.exception()) is not None:
                raise error
        wholes = list(self.disk.store.export())
        client = Client(Door(self, -1, None))
        return Ended(self.app, client, self.history, self.disk.ledger, wholes, unfinished)

    @property
    def _is_idle(self) -> bool:
        return self.loop.micros - self._active_at >= PATIENCE

    def bury(self) -> None:
        """Forget everything that still runs."""
        for process in self._processes:
            process.stopped = True
        self.loop.bury()
        self.disk.store.close()

    async def _play(self, number: int, scenario: Scenario) -> None:
        try:
            given = scenario(self.client(number), self.chances(number))
            await checked_awaitable(given, "async def scenario(client, chances)")
        except Exception as error:
            if not all(isinstance(each, UNKNOWN) for each in _raised_in(error)):
                self.tell(f"client {number}", f"raises {described(error)}")
                raise
            self.tell(f"client {number}", f"ends, as it cannot know: {described(error)}")

    def _last_words(self, number: int) -> str:
        name = f"client {number}"
        said = [str(o) for o in self.history.operations if o.client == name and o.answered is None]
        return said[-1] if said else "nothing that it has asked"

    def _heal(self) -> None:
        """No more faults; whoever lives is replaced by one that has had none."""
        self.tell("", "no more faults from here on")
        self.misfortune.over = True
        self._healing = True
        for process in list(self._processes):
            self.kill(process, "is killed for the last time")


def described(error: Exception) -> str:
    """What was raised, in the tasks of a group too."""
    return ", ".join(f"{type(each).__name__}: {each}" for each in _raised_in(error))


def _raised_in(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    group = cast("ExceptionGroup[Exception]", error)
    return [each for inner in group.exceptions for each in _raised_in(inner)]


def _in_short(event: Event) -> str:
    """What kind of event it is, and what tells it from others of its kind."""
    said = [getattr(event, told, None) for told in TOLD]
    words = " ".join(str(word) for word in said if word is not None)
    short = words if len(words) <= WORDS_MAX else f"{words[: WORDS_MAX - 3]}..."
    return f"{type(event).__name__} {short}".rstrip()
