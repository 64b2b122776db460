"""The services of examples/embedding: started, used over a socket, stopped, and killed."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "examples" / "embedding"
BANK, ORDERS, CACHE = (
    FOLDER / f"{name}.py" for name in ("bank_fastapi", "orders_litestar", "cache_trio")
)

both_backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@frozen
class Service:
    """A running process, and where it listens."""

    process: "subprocess.Popen[str]"
    place: str

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it with a signal."""
        self.process.send_signal(how)
        self.ends(-how if how is signal.SIGKILL else 0)

    def ends(self, code: int = 0) -> None:
        """Wait until it has ended, with that code and without complaints."""
        _, said = self.process.communicate(timeout=30)
        assert self.process.returncode == code, said
        # Litestar shows what hypercorn says at level INFO.
        assert not [line for line in said.splitlines() if not line.startswith("INFO")], said


@contextmanager
def running(folder: Path, *command: str | Path) -> Generator[Service]:
    process = subprocess.Popen(
        [sys.executable, "-B", "-W", "error", *map(str, command)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Service(process, line.split()[-1])
    finally:
        process.kill()
        process.communicate()


@contextmanager
def served(folder: Path, program: Path, backend: str) -> Generator[tuple[Service, httpx.Client]]:
    with (
        running(folder, HERE / "serving.py", program, backend) as service,
        httpx.Client(base_url=service.place, timeout=20) as web,
    ):
        yield service, web


def status_when(web: httpx.Client, url: str, there: Callable[[Any], bool]) -> Any:
    """Ask until the status is so."""
    while True:
        status = web.get(url).raise_for_status().json()
        if there(status):
            return status


def ended(status: Any) -> bool:
    return status["runtimeStatus"] not in {"Pending", "Running"}


def waits_for_the_boss(status: Any) -> bool:
    return bool(status["customStatus"] == "waiting for the boss")


def test_every_service_has_at_most_ninety_lines() -> None:
    lengths = [path.read_text("utf-8").count("\n") for path in FOLDER.glob("*.py")]
    assert len(lengths) == 3
    assert max(lengths) <= 90


@both_backends
def test_a_bank_behind_fastapi_moves_money(backend: str, tmp_path: Path) -> None:
    with served(tmp_path, BANK, backend) as (service, web):
        assert web.post("/accounts/Ada/deposit?amount=100").json() == 100
        assert web.post("/accounts/Ada/withdraw?amount=10").json() == 90
        refused = web.post("/accounts/Ada/withdraw?amount=91")
        assert (refused.status_code, refused.json()) == (409, {"detail": "there are only 90"})
        assert web.post("/accounts/Ada/deposit?amount=0").status_code == 422

        order = {"source": "Ada", "target": "Bob", "amount": 60}
        accepted = web.post("/transfers", json=order)
        assert accepted.status_code == 202
        assert accepted.headers["location"] == accepted.json()["statusQueryGetUri"]
        assert status_when(web, accepted.headers["location"], ended)["output"] == 30
        service.stop()

    with served(tmp_path, BANK, backend) as (service, web):
        assert web.post("/accounts/Bob/withdraw?amount=60").json() == 0
        failed = web.post("/transfers", json=order).headers["location"]
        assert status_when(web, failed, ended)["runtimeStatus"] == "Failed"
        assert web.post("/accounts/Ada/withdraw?amount=30").json() == 0
        service.stop(signal.SIGINT)


@both_backends
def test_an_order_behind_litestar_outlives_a_kill(backend: str, tmp_path: Path) -> None:
    with served(tmp_path, ORDERS, backend) as (service, web):
        accepted = web.post("/orders", json={"item": "desk", "euros": 300})
        assert (accepted.status_code, accepted.json()["id"] != "") == (202, True)
        number, where = accepted.json()["id"], httpx.URL(accepted.headers["location"])
        status_when(web, str(where), waits_for_the_boss)
        service.stop(signal.SIGKILL)

    with served(tmp_path, ORDERS, backend) as (service, web):
        where = where.copy_with(port=httpx.URL(service.place).port)
        assert waits_for_the_boss(status_when(web, str(where), lambda _: True))
        assert (
            web.post("/orders/nobody/answer", json={"by": "", "approved": True}).status_code == 404
        )
        yes = {"by": "Eve", "approved": True}
        assert web.post(f"/orders/{number}/answer", json=yes).status_code == 204
        assert status_when(web, str(where), ended)["output"] == "bought by Eve"
        assert web.post(f"/orders/{number}/answer", json=yes).status_code == 409
        assert (tmp_path / "outbox.txt").read_text("utf-8") == "desk for 300 euros?\n"
        service.stop()


def test_a_stopped_order_service_leaves_orders_waiting(tmp_path: Path) -> None:
    with served(tmp_path, ORDERS, "asyncio") as (service, web):
        cheap = web.post("/orders", json={"item": "pen", "euros": 2}).headers["location"]
        assert status_when(web, cheap, ended)["output"] == "bought"
        dear = httpx.URL(
            web.post("/orders", json={"item": "car", "euros": 20_000}).headers["location"]
        )
        service.stop()
    with served(tmp_path, ORDERS, "asyncio") as (service, web):
        dear = dear.copy_with(port=httpx.URL(service.place).port)
        status_when(web, str(dear), waits_for_the_boss)
        assert (tmp_path / "outbox.txt").read_text("utf-8") == "car for 20000 euros?\n"


def test_stopping_waits_for_a_running_activity(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.txt"
    os.mkfifo(outbox)  # Opening it lasts until somebody opens the other end.
    with served(tmp_path, ORDERS, "asyncio") as (service, web):
        where = httpx.URL(
            web.post("/orders", json={"item": "bed", "euros": 900}).headers["location"]
        )
        begun = where.copy_merge_params({"showHistory": "true"})
        status_when(web, str(begun), lambda status: "TaskScheduled" in str(status["historyEvents"]))
        service.process.send_signal(signal.SIGTERM)
        while listens(web):
            pass
        assert outbox.read_text("utf-8") == "bed for 900 euros?\n"
        service.ends()
    with served(tmp_path, ORDERS, "asyncio") as (service, web):
        where = where.copy_with(port=httpx.URL(service.place).port)
        # Begun again, it would wait for a reader.
        status_when(web, str(where), waits_for_the_boss)
        service.stop()


def test_a_rude_caller_does_not_end_the_cache(tmp_path: Path) -> None:
    with running(tmp_path, CACHE, "0") as service:
        place = ("127.0.0.1", int(service.place))
        with socket.create_connection(place, timeout=20) as connection:
            connection.sendall(b"get tea\n" * 100)
            # Closing resets the connection at once.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with socket.create_connection(place, timeout=20) as connection:
            connection.sendall(b"get \xff\n")
            assert connection.recv(100).startswith(b"no: ")
        forever = f"set tea green {'9' * 400}"
        said = asked(service.place, forever, "get a/b", "set tea green 90")
        assert (said[0][:4], said[2]) == ("no: ", "kept")
        service.stop()


def listens(web: httpx.Client) -> bool:
    try:
        web.get("/")
    except httpx.TransportError:
        return False
    return True


def asked(port: str, *lines: str) -> list[str]:
    with (
        socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection,
        connection.makefile("rw", encoding="utf-8", newline="\n") as wire,
    ):
        answers: list[str] = []
        for line in lines:
            wire.write(f"{line}\n")
            wire.flush()
            answers.append(wire.readline().strip())
        return answers


def test_a_cache_on_trio_keeps_and_forgets(tmp_path: Path) -> None:
    with running(tmp_path, CACHE, "0") as service:
        assert asked(service.place, "set tea green 90", "get tea") == ["kept", "green"]
        assert asked(service.place, "get milk", "what?") == [
            "(nothing)",
            "say `get KEY` or `set KEY VALUE SECONDS`",
        ]
        service.stop(signal.SIGKILL)
    with running(tmp_path, CACHE, "0") as service:
        assert asked(service.place, "get tea", "set tea black 0") == ["green", "kept"]
        while asked(service.place, "get tea") != ["(nothing)"]:
            pass
        service.stop()
