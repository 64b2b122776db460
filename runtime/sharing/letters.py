"""The postman of one worker among others: letters to actors elsewhere, and from there.

1.  A position is a count of this worker's times the number of partitions, plus the receiver's
    partition: so no two messages of a hub that wait in mailboxes have the same.
2.  A letter that arrives becomes a message of the mailbox, sent here, in the batch that deletes it.
    So letters are in the store for a moment only, and a mailbox is in order by itself.
3.  What a sender has sent as letters is received before what it sends directly: a partition begins
    to run here after its letters were read, and what was sent there meanwhile was received too.
"""

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from ...actors.damage import is_damaged, legible
from ...actors.effects import Parked
from ...actors.messages import Message
from ...actors.wire import UnreadableEventError, read_event
from ...persistence.records import ErrandKey, Letter, Postmark
from ..engine.postman import Postman
from ..engine.slot import Slot
from .holdings import Holdings

if TYPE_CHECKING:
    from ..engine.partition import Partition

logger = logging.getLogger("perdure.runtime")


class LetterCarrier(Postman):
    """Delivers where this worker runs the receiver, and writes letters to all others."""

    def __init__(self, partition: "Partition", holdings: Holdings) -> None:
        super().__init__(partition)
        self._holdings = holdings
        self._known: set[Postmark] = set()
        """Letters that were received, which may be seen once more in the store."""
        self._settled: list[Postmark] = []
        """Of those the ones that the store does not have any more."""

    @property
    def newest(self) -> int:
        """The highest position that was given up to now."""
        return self.position * self._holdings.size + self._holdings.size - 1

    def raise_to(self, position: int) -> None:
        """Give only positions above this one from now on."""
        self.position = max(self.position, position // self._holdings.size + 1)

    def send(self, message: Message) -> None:
        """Put a message into a mailbox here, or on its way to one elsewhere."""
        holdings, batch = self._holdings, self._partition.pipeline.batch
        number = holdings.number_of(message.target)
        position = message.position = self.number_for(number)
        if number in holdings.local:
            batch.sent[position] = message
            self._partition.later.deliver(message)
            return
        batch.letters[position] = message
        if number in holdings.joining:
            holdings.joining[number].append(message)

    def number_for(self, partition: int) -> int:
        """A position that nothing else in the hub has, or had."""
        self.position += 1
        return self.position * self._holdings.size + partition

    def answer(self, errand: ErrandKey, message: Message) -> None:
        """Say what became of an errand; its order among other messages does not matter."""
        batch = self._partition.pipeline.batch
        number = self._holdings.number_of(message.target)
        if number in self._holdings.local:
            batch.withdraw(errand)
            self.send(message)
        else:
            message.position = self.number_for(number)
            batch.answers[errand] = message

    def settled(self) -> list[Postmark]:
        """Letters that nobody sees any more who looks for letters from now on."""
        settled, self._settled = self._settled, []
        return settled

    def forget_letters(self, settled: list[Postmark]) -> None:
        """Nobody who looked earlier is still to come."""
        self._known.difference_update(settled)

    def receive(self, letters: Iterable[Letter]) -> None:
        """Let letters for actors here be messages, in the order of their numbers."""
        for letter in letters:
            if letter.partition not in self._holdings.local or letter.postmark in self._known:
                continue
            if is_damaged(letter.target):
                self._known.add(letter.postmark)
                logger.error("a letter is for nobody: %s", legible(letter.target))
                continue
            try:
                event = read_event(letter.body)
            except UnreadableEventError as error:
                self._known.add(letter.postmark)
                logger.exception("a letter for %s is unreadable and stays", letter.target)
                parked = Parked("unreadable", f"letter {letter.number}: {error}")
                self._partition.residents.when_loaded(letter.target, partial(self._park, parked))
                continue
            received = Message(letter.target, event, letter.execution_id, letter.due)
            self._take(letter.postmark, received)

    def receive_own(self, number: int) -> None:
        """Receive what was sent from here to a partition that was being read meanwhile."""
        holdings, batch = self._holdings, self._partition.pipeline.batch
        for message in holdings.joining.pop(number, ()):
            position = message.position
            direct = Message(message.target, message.event, message.execution_id, message.due)
            if batch.letters.pop(position, None) is not None:
                self.send(direct)
            elif (postmark := (number, position, holdings.worker)) not in self._known:
                # It is durable, or about to be: this batch comes after it.
                self._take(postmark, direct)

    def _take(self, postmark: Postmark, message: Message) -> None:
        batch = self._partition.pipeline.batch
        self._known.add(postmark)
        self._partition.note(message)
        batch.received.append(postmark)
        batch.when_durable.append(partial(self._settled.append, postmark))
        self.send(message)
        # Even if no actor takes it: that has to be written too.
        self._partition.bell.ring()

    def _park(self, parked: Parked, slot: Slot) -> None:
        if slot.actor is not None:
            self._partition.park(slot, parked)

    def forget(self) -> None:
        """Memory was dropped."""
        self._known.clear()
        self._settled = []
