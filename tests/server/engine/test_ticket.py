"""A ticket: cancelling, and the progress that it passes to an event loop."""

import asyncio
from threading import Thread

import pytest

from photism.errors import as_input_error
from photism.server.engine.ticket import Cancelled, PartialResult, Progress, Ticket


def test_cancelled_ticket_raises_at_the_next_report():
    ticket = Ticket()
    ticket.report(1, 3)
    ticket.check()
    ticket.cancel()
    for call in (ticket.check, ticket.give_way, lambda: ticket.report(2, 3)):
        with pytest.raises(Cancelled):
            call()
    assert ticket.progress == Progress("running", done=1, total=3)


def test_a_work_may_end_while_it_is_cancelled():
    class EndsMeanwhile(Ticket):
        """A ticket whose work ends as soon as `cancel` has looked for the way to withdraw it."""

        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name == "_withdraw" and found is not None:
                self.end()
            return found

    withdrawn, ticket = [], EndsMeanwhile()
    ticket.enter(lambda: withdrawn.append(True))
    ticket.cancel()
    assert (withdrawn, ticket.is_cancelled) == ([True], True)


def test_cancelled_is_not_reported_as_a_mistake_in_the_input():
    with pytest.raises(Cancelled), as_input_error("a recording cannot be read"):
        raise Cancelled


def test_updates_begin_with_the_present_state_and_end_with_the_work():
    ticket = Ticket()

    def work():
        ticket.publish(Progress("loading"))
        ticket.report(2, 2)
        ticket.end()

    async def read():
        seen = []
        async for progress in ticket.updates():
            if not seen:
                Thread(target=work).start()
            seen.append(progress)
        return seen

    seen = asyncio.run(asyncio.wait_for(read(), 5))
    assert seen[0] == Progress("queued")
    assert seen[-1] == Progress("running", done=2, total=2)


def test_progress_after_the_event_loop_has_ended_is_lost():
    ticket = Ticket()

    async def read():
        return await anext(ticket.updates())

    assert asyncio.run(read()).state == "queued"
    ticket.report(1, 2)
    ticket.end()


def test_partial_results_come_in_order_and_all_before_the_end():
    ticket = Ticket()
    for text in ("one", "two"):
        ticket.emit("words", {"text": text})
    ticket.emit("preview", {"done": 1}, replaces=True)
    ticket.emit("preview", {"done": 2}, replaces=True)
    ticket.end()

    async def read():
        return [each async for each in ticket.messages()]

    assert asyncio.run(read()) == [
        PartialResult("words", {"text": "one"}),
        PartialResult("words", {"text": "two"}),
        PartialResult("preview", {"done": 2}),
        Progress("queued"),
    ]


def test_updates_leave_out_partial_results():
    ticket = Ticket()
    ticket.emit("words", {"text": "one"})
    ticket.end()

    async def read():
        return [each async for each in ticket.updates()]

    assert asyncio.run(read()) == [Progress("queued")]
