"""Whatever is killed or lost in between, a rewind has nothing done twice by entities."""

import os
from zlib import crc32

from attrs import define

from perdure import (
    ActivityContext,
    App,
    Client,
    InstanceStateError,
    OrchestrationContext,
    Status,
)
from perdure.testing import Chances, Ended, simulate

SEEDS = int(os.environ.get("PERDURE_SEEDS", "60"))
REWINDS_MAX = 6
SEEN: set[Status] = set()

till = App("till")


@till.activity
async def receipt(ctx: ActivityContext) -> None:
    """Fail for every other execution."""
    if crc32(ctx.idempotency_key.encode()) % 2:
        raise OSError("no paper")


@till.entity
@define
class Account:
    balance: int = 0

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance


@till.orchestration
async def pay(ctx: OrchestrationContext) -> list[int]:
    added = [ctx.entity(Account, key).call(Account.add, 10) for key in "ab"]
    await ctx.call_activity(receipt)
    return await ctx.task_all(added)


async def buy(client: Client, chances: Chances) -> None:
    """Insist on the receipt."""
    for _ in range(chances.randint(1, 3)):
        paid = await client.start_new(pay)
        for _ in range(REWINDS_MAX):
            status = await client.wait_for_completion(paid.instance_id)
            SEEN.add(status.runtime_status)
            if status.runtime_status is Status.COMPLETED:
                break
            try:
                await client.rewind(paid.instance_id)
            except InstanceStateError:
                continue


async def every_payment_counts_once(ended: Ended) -> None:
    payments = await ended.client.count()
    SEEN.update(payments)
    for key in "ab":
        balance = await ended.client.entity(Account, key).call(Account.add, 0)
        assert balance == 10 * sum(payments.values())


def test_no_payment_is_made_twice() -> None:
    report = simulate(till, [buy, buy], seeds=SEEDS, check=every_payment_counts_once)
    assert report.commits > SEEDS
    assert {Status.COMPLETED, Status.FAILED} <= SEEN
