"""Models and their lanes, with models that are lists: each work appends its number."""

import asyncio
import threading
import time
import weakref
from dataclasses import dataclass, field
from functools import partial

import pytest

from photism.cancellation import check_cancelled
from photism.errors import InputError
from photism.listening.settings import ClassifierModelSettings
from photism.server.engine import lane as lane_module
from photism.server.engine import registry as registry_module
from photism.server.engine.busy import Busy
from photism.server.engine.entries import ModelEntry
from photism.server.engine.kinds import KINDS, Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.engine.ticket import Cancelled, Progress, Ticket
from photism.server.engine.work import Batchable
from photism.server.problems import Problem
from photism.server.settings import LimitSettings

LONG_S = 5.0
"""Time after which a test has failed."""


class Model(list):
    """Numbers of the works that used it, and the threads in which they ran."""

    def __init__(self):
        super().__init__()
        self.threads = set()


@dataclass
class Loader:
    """Loads models, and raises the errors that are planned first."""

    errors: list[BaseException] = field(default_factory=list)
    loaded: list[weakref.ref] = field(default_factory=list)

    def load(self, settings):
        if self.errors:
            raise self.errors.pop(0)
        model = Model()
        self.loaded.append(weakref.ref(model))
        return model


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def make(loader, monkeypatch):
    made = []
    monkeypatch.setattr(lane_module, "give_back_memory", lambda: None)  # a second, where torch is imported

    def make_registry(**limits):
        kinds = {**KINDS, "classifier": Kind("classifier", ClassifierModelSettings, loader.load)}
        entries = [ModelEntry(name, "classifier", ClassifierModelSettings()) for name in ("first", "second")]
        made.append(ModelRegistry(entries, LimitSettings(**limits), kinds=kinds))
        return made[-1]

    yield make_registry
    for registry in made:
        assert registry.close(LONG_S)


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, LONG_S))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def append(number, model, ticket):
    model.append(number)
    model.threads.add(threading.get_ident())
    return list(model)


class Held:
    """A work that begins, and goes on only when it may; it reports meanwhile, so that it can be cancelled."""

    def __init__(self, number=0):
        self.number = number
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, model, ticket):
        append(self.number, model, ticket)
        self.begun.set()
        while not self.may_end.wait(0.001):
            ticket.report(1, 2)
        return list(model)


def test_works_of_a_model_run_one_after_another_in_one_thread(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        running = threading.Lock()

        def work(model, ticket):
            assert running.acquire(blocking=False)
            time.sleep(0.002)
            running.release()
            append(0, model, ticket)
            return model.threads

        tickets = [Ticket(str(number)) for number in range(8)]
        return await asyncio.gather(*(registry.run(entry, work, ticket) for ticket in tickets)), tickets

    results, tickets = run(scenario())
    assert len(results[0]) == 1
    assert threading.get_ident() not in results[0]
    assert tickets[7].waited_s > tickets[1].waited_s > 0
    assert tickets[7].computed_s >= 0.002
    counts = registry.lanes[entry].counts
    assert (counts.finished, counts.loads, counts.failed) == (8, 1, 0)


def test_clients_take_turns(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        works = [asyncio.create_task(registry.run(entry, held, Ticket("anna")))]
        await until(held.begun.is_set)
        for number, client in ((1, "anna"), (2, "anna"), (3, "anna"), (4, "ben")):
            works.append(asyncio.create_task(registry.run(entry, partial(append, number), Ticket(client))))
        await until(lambda: registry.lanes[entry].queued == 4)
        held.may_end.set()
        return (await asyncio.gather(*works))[3]

    assert run(scenario()) == [0, 1, 4, 2, 3]


def test_a_queued_work_that_is_cancelled_never_begins(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        held, ticket = Held(), Ticket("ben")
        first = asyncio.create_task(registry.run(entry, held, Ticket("anna")))
        await until(held.begun.is_set)
        second = asyncio.create_task(registry.run(entry, partial(append, 1), ticket))
        third = asyncio.create_task(registry.run(entry, partial(append, 2), Ticket("carl")))
        await until(lambda: registry.lanes[entry].queued == 2)
        ticket.cancel()
        with pytest.raises(Cancelled):
            await second
        assert registry.lanes[entry].queued == 1
        held.may_end.set()
        await first
        return await third

    assert run(scenario()) == [0, 2]
    assert registry.lanes[entry].counts.cancelled == 1


@pytest.mark.parametrize("cancel", ["ticket", "task"])
def test_a_running_work_that_is_cancelled_ends_and_the_next_one_begins(make, cancel):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        held, ticket = Held(), Ticket("anna")
        first = asyncio.create_task(registry.run(entry, held, ticket))
        await until(held.begun.is_set)
        if cancel == "ticket":
            ticket.cancel()
        else:
            first.cancel()
        with pytest.raises(Cancelled if cancel == "ticket" else asyncio.CancelledError):
            await first
        return await registry.run(entry, partial(append, 1), Ticket("ben"))

    assert run(scenario()) == [0, 1]
    assert registry.lanes[entry].counts.cancelled == 1


def test_a_ticket_that_was_cancelled_before_is_not_begun(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        ticket = Ticket()
        ticket.cancel()
        with pytest.raises(Cancelled):
            await registry.run(entry, partial(append, 0), ticket)
        return await registry.run(entry, partial(append, 1), Ticket())

    assert run(scenario()) == [1]


def test_a_full_queue_refuses_with_the_time_to_wait(make):
    registry = make(max_queue=1)
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        first = asyncio.create_task(registry.run(entry, held, Ticket("anna")))
        await until(held.begun.is_set)
        second = asyncio.create_task(registry.run(entry, partial(append, 1), Ticket("ben")))
        await until(lambda: registry.lanes[entry].queued == 1)
        with pytest.raises(Busy, match="queue of the model first is full; it has room for 1 requests") as refused:
            await registry.run(entry, partial(append, 2), Ticket("carl"))
        held.may_end.set()
        await first
        return refused.value, await second

    busy, result = run(scenario())
    assert result == [0, 1]
    assert busy.status == 503
    assert busy.headers == {"Retry-After": "10"}  # two works of an estimated 5 s
    assert registry.lanes[entry].counts.refused == 1


def test_quick_requests_count_with_the_others_and_jobs_by_themselves(make):
    registry = make(max_queue=2)
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        tasks = [asyncio.create_task(registry.run(entry, held, Ticket("anna")))]
        await until(held.begun.is_set)
        for work, is_job in (
            (partial(append, 1), False),
            (batchable(2, is_quick=True), False),
            (partial(append, 3), True),
            (partial(append, 4), True),
        ):
            tasks.append(asyncio.create_task(registry.run(entry, work, Ticket("ben", is_job=is_job))))
        await until(lambda: registry.lanes[entry].queued == 4)
        refused = []
        for work, is_job in ((partial(append, 5), False), (batchable(6, is_quick=True), False), (append, True)):
            with pytest.raises(Busy) as error_info:
                await registry.run(entry, work, Ticket("carl", is_job=is_job))
            refused.append((error_info.value.detail.rpartition(" ")[2], error_info.value.headers["Retry-After"]))
        held.may_end.set()
        await asyncio.gather(*tasks)
        return refused

    # Of an estimated 5 s each: the request that runs and two that wait, or two jobs that wait.
    assert run(scenario()) == [("requests.", "15"), ("requests.", "15"), ("jobs.", "10")]


def test_time_is_counted_once_for_batches_and_for_works_within_others(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        begun, may_go_on = threading.Event(), threading.Event()

        def film(model, ticket):
            begun.set()
            may_go_on.wait(LONG_S)
            ticket.give_way()

        def compute(model, items, ticket):
            time.sleep(0.05)
            return items

        began_at = time.monotonic()
        tickets = [Ticket("anna", is_job=True), *(Ticket(str(number)) for number in range(4))]
        tasks = [asyncio.create_task(registry.run(entry, film, tickets[0]))]
        await until(begun.is_set)
        work = Batchable("key", 0, lambda model: 0.25, compute)
        tasks += [asyncio.create_task(registry.run(entry, work, ticket)) for ticket in tickets[1:]]
        await until(lambda: registry.lanes[entry].queued == 4)
        may_go_on.set()
        await asyncio.gather(*tasks)
        return time.monotonic() - began_at, tickets

    duration_s, tickets = run(scenario())
    assert 0.05 <= registry.lanes[entry].counts.computed_s <= duration_s
    assert all(ticket.computed_s >= 0.05 for ticket in tickets)


def test_a_work_that_waits_for_too_long_is_refused_and_one_that_runs_is_not(make):
    registry = make(max_wait_s=0.02)
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        first = asyncio.create_task(registry.run(entry, held, Ticket("anna")))
        await until(held.begun.is_set)
        job = asyncio.create_task(registry.run(entry, partial(append, 1), Ticket("anna", is_job=True)))
        with pytest.raises(Busy, match="has waited 0 s"):
            await registry.run(entry, partial(append, 2), Ticket("ben"))
        held.may_end.set()
        assert await first == [0]
        return await job

    assert run(scenario()) == [0, 1]


def test_a_job_gives_way_to_requests_but_not_to_jobs(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        begun, may_go_on = threading.Event(), threading.Event()

        def film(model, ticket):
            begun.set()
            may_go_on.wait(LONG_S)
            append(0, model, ticket)
            ticket.give_way()
            return append(1, model, ticket)

        first = asyncio.create_task(registry.run(entry, film, Ticket("anna", is_job=True)))
        await until(begun.is_set)
        others = [
            asyncio.create_task(registry.run(entry, partial(append, 2), Ticket("ben", is_job=True))),
            asyncio.create_task(registry.run(entry, partial(append, 3), Ticket("ben"))),
            asyncio.create_task(registry.run(entry, partial(append, 4), Ticket("carl"))),
        ]
        await until(lambda: registry.lanes[entry].queued == 3)
        may_go_on.set()
        return await first, await others[0]

    assert run(scenario()) == ([0, 3, 4, 1], [0, 3, 4, 1, 2])


def batchable(number, key="append", share=0.25, is_quick=False):
    def append_all(model, numbers, ticket):
        for each in numbers:
            model.append(each)
        model.append("|")
        if -1 in numbers:
            raise InputError("numbers must be at least 0")
        ticket.report(1, 1)
        return [10 * each for each in numbers]

    return Batchable(key, number, lambda model: share, append_all, is_quick)


def together(registry, *works):
    """Queue works of different clients while the model is busy, and return their results and its numbers."""
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        first = asyncio.create_task(registry.run(entry, held, Ticket("first")))
        await until(held.begun.is_set)
        tickets = [Ticket(str(number)) for number in range(len(works))]
        tasks = [
            asyncio.create_task(registry.run(entry, work, ticket)) for work, ticket in zip(works, tickets, strict=True)
        ]
        await until(lambda: registry.lanes[entry].queued == len(works))
        held.may_end.set()
        await first
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return results, await registry.run(entry, lambda model, ticket: list(model), Ticket()), tickets

    return run(scenario())


def test_works_of_one_key_are_computed_together_and_others_in_their_turn(make):
    works = [batchable(1), batchable(2, key="other"), batchable(3), partial(append, 4), batchable(5)]
    results, numbers, tickets = together(make(), *works)
    assert numbers == [0, 1, 3, 5, "|", 2, "|", 4]
    assert results[:3] == [10, 20, 30]
    assert tickets[4].progress == Progress("running", done=1, total=1)


def test_a_work_gives_way_to_quick_ones_at_its_steps(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        begun, may_go_on = threading.Event(), threading.Event()

        def draw(model, ticket):
            begun.set()
            may_go_on.wait(LONG_S)
            append(0, model, ticket)
            check_cancelled()
            return append(1, model, ticket)

        first = asyncio.create_task(registry.run(entry, draw, Ticket("anna")))
        await until(begun.is_set)
        works = [partial(append, 2), batchable(3, is_quick=True), batchable(4, is_quick=True)]
        others = [asyncio.create_task(registry.run(entry, work, Ticket(str(work)))) for work in works]
        await until(lambda: registry.lanes[entry].queued == 3)
        may_go_on.set()
        return await first, await asyncio.gather(*others)

    assert run(scenario()) == ([0, 3, 4, "|", 1], [[0, 3, 4, "|", 1, 2], 30, 40])


def test_a_batch_is_full_when_its_shares_are_one(make):
    works = [batchable(1, share=0.5), batchable(2, share=0.5), batchable(3, share=0.5), batchable(4, share=3)]
    _, numbers, _ = together(make(), *works)
    assert numbers == [0, 1, 2, "|", 3, "|", 4, "|"]


def test_an_error_in_a_batch_reaches_only_the_work_that_causes_it(make):
    registry = make()
    results, numbers, _ = together(registry, batchable(1), batchable(-1), batchable(3))
    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], InputError)
    assert numbers == [0, 1, -1, 3, "|", 1, "|", -1, "|", 3, "|"]
    counts = registry.lanes[registry.find("classifier")].counts
    assert (counts.finished, counts.failed) == (4, 1)  # with the first and the last


def test_a_batch_ends_when_all_of_its_clients_have_left():
    members = [Ticket("anna"), Ticket("ben")]
    ticket = Ticket(members=members)
    members[0].cancel()
    ticket.report(1, 2)
    assert members[1].progress == Progress("running", done=1, total=2)
    members[1].cancel()
    with pytest.raises(Cancelled):
        ticket.check()


def test_an_error_of_a_work_reaches_its_request_and_no_other(make):
    registry = make()
    entry = registry.find("classifier")

    def fail(model, ticket):
        raise InputError("recordings must not be silent")

    async def scenario():
        with pytest.raises(InputError, match="silent"):
            await registry.run(entry, fail, Ticket())
        return await registry.run(entry, partial(append, 1), Ticket())

    assert run(scenario()) == [1]
    assert registry.lanes[entry].counts.failed == 1


def test_an_error_does_not_keep_what_the_work_used(make):
    registry = make()
    used = []

    def fail(model, ticket):
        waveform = Model()
        used.append(weakref.ref(waveform))
        raise InputError("no")

    async def scenario():
        with pytest.raises(InputError) as error:
            await registry.run(registry.find("classifier"), fail, Ticket())
        assert used[0]() is None
        return error

    run(scenario())


def test_a_model_that_cannot_be_loaded_is_a_problem_without_paths_and_is_tried_again(make, loader, caplog):
    registry = make()
    entry = registry.find("classifier")
    loader.errors.append(InputError("model /secret/folder is damaged"))

    async def scenario():
        with pytest.raises(Problem) as problem:
            await registry.run(entry, partial(append, 0), Ticket())
        return problem.value, await registry.run(entry, partial(append, 1), Ticket())

    problem, result = run(scenario())
    assert result == [1]
    assert problem.status == 503
    assert "/secret" not in str(problem.as_dict())
    assert "/secret/folder is damaged" in caplog.text


def test_a_model_in_a_folder_that_cannot_be_loaded_says_why(make, loader, tmp_path):
    registry = make()
    loader.errors.append(InputError("it is damaged"))
    entry = registry.find("classifier", str(tmp_path), is_local=True)
    with pytest.raises(InputError, match="it is damaged"):
        run(registry.run(entry, partial(append, 0), Ticket()))


def test_loading_is_reported(make):
    registry = make()
    entry = registry.find("classifier")
    states = []
    ticket = Ticket()
    publish = ticket.publish
    ticket.publish = lambda progress: (states.append(progress), publish(progress))
    run(registry.run(entry, partial(append, 0), ticket))
    assert states == [Progress("queued"), Progress("loading"), Progress("running")]


def test_an_unused_model_leaves_memory_and_is_loaded_again(make, loader):
    registry = make(idle=0.02 / 60)
    entry = registry.find("classifier")

    async def scenario():
        assert await registry.run(entry, partial(append, 0), Ticket()) == [0]
        await until(lambda: loader.loaded[0]() is None)
        assert not registry.lanes[entry].is_loaded
        return await registry.run(entry, partial(append, 1), Ticket())

    assert run(scenario()) == [1]
    assert registry.lanes[entry].counts.loads == 2
    assert registry.lanes[entry].counts.unloads >= 1


def test_a_model_that_is_held_stays_in_memory(make, loader, monkeypatch):
    registry = make(idle=0.02 / 60)
    first, second = (registry.find("classifier", name) for name in ("first", "second"))
    monkeypatch.setattr(registry_module, "is_memory_short", lambda: True)

    async def scenario():
        with registry.hold(first):
            await registry.run(first, partial(append, 0), Ticket())
            await asyncio.sleep(0.05)
            await registry.run(second, partial(append, 0), Ticket())
            assert registry.lanes[first].is_loaded
        await until(lambda: not registry.lanes[first].is_loaded)

    run(scenario())
    assert registry.lanes[first].counts.loads == 1


def test_a_model_that_is_held_while_it_is_being_unloaded_stays(make, monkeypatch):
    registry = make()
    entry = registry.find("classifier")
    run(registry.run(entry, partial(append, 0), Ticket()))
    lane = registry.lanes[entry]
    notify = lane._condition.notify

    def hold_first(count=1):
        """Hold the model just before its thread learns that it must unload it."""
        monkeypatch.setattr(lane._condition, "notify", notify)
        held.__enter__()
        notify(count)

    held = lane.hold()
    monkeypatch.setattr(lane._condition, "notify", hold_first)
    lane.unload()
    assert run(registry.run(entry, partial(append, 1), Ticket())) == [0, 1]
    held.__exit__(None, None, None)
    assert lane.counts.loads == 1


def test_models_that_are_not_used_leave_while_memory_is_short(make, loader, monkeypatch):
    monkeypatch.setattr(registry_module, "WATCH_S", 0.01)
    registry = make()
    entry = registry.find("classifier")
    is_short = threading.Event()
    monkeypatch.setattr(registry_module, "is_memory_short", is_short.is_set)

    async def scenario():
        await registry.run(entry, partial(append, 0), Ticket())
        is_short.set()
        await asyncio.sleep(0.05)
        assert registry.lanes[entry].is_loaded  # it was used a moment ago
        registry.lanes[entry].used_at -= registry_module.UNUSED_S
        await until(lambda: not registry.lanes[entry].is_loaded)

    run(scenario())
    assert loader.loaded[0]() is None


def test_models_that_are_not_used_make_room_least_recently_used_first(make, loader, monkeypatch):
    registry = make()
    first, second = (registry.find("classifier", name) for name in ("first", "second"))
    third = registry.find("classifier", "tiny-languages")
    short = [True, False]  # until one model has been unloaded
    monkeypatch.setattr(registry_module, "is_memory_short", lambda: short and short.pop(0))

    async def scenario():
        short_later, short[:] = list(short), []
        for entry in (first, second, first):
            await registry.run(entry, partial(append, 0), Ticket())
        short[:] = short_later
        await registry.run(third, partial(append, 0), Ticket())

    run(scenario())
    assert [registry.lanes[entry].is_loaded for entry in (first, second, third)] == [True, False, True]
    assert loader.loaded[1]() is None


def test_a_model_in_use_is_not_unloaded_and_a_lack_of_memory_is_tried_again(make, loader, monkeypatch):
    registry = make()
    first, second = (registry.find("classifier", name) for name in ("first", "second"))

    async def scenario():
        held = Held()
        using = asyncio.create_task(registry.run(first, held, Ticket()))
        await until(held.begun.is_set)
        loader.errors.append(MemoryError())
        await registry.run(second, partial(append, 1), Ticket())
        held.may_end.set()
        return await using

    assert run(scenario()) == [0]
    assert registry.lanes[first].is_loaded


def test_closing_cancels_what_runs_and_what_waits(make):
    registry = make()
    entry = registry.find("classifier")

    async def scenario():
        held = Held()
        works = [asyncio.create_task(registry.run(entry, held, Ticket("anna")))]
        await until(held.begun.is_set)
        works.append(asyncio.create_task(registry.run(entry, partial(append, 1), Ticket("ben"))))
        await until(lambda: registry.lanes[entry].queued == 1)
        assert await asyncio.to_thread(registry.close, LONG_S)
        results = await asyncio.gather(*works, return_exceptions=True)
        with pytest.raises(Cancelled):
            await registry.run(entry, partial(append, 2), Ticket())
        return results

    assert [type(result) for result in run(scenario())] == [Cancelled, Cancelled]


def test_a_registry_that_was_closed_before_any_work_accepts_none(make):
    registry = make()
    registry.close()
    with pytest.raises(Cancelled):
        run(registry.run(registry.find("classifier"), partial(append, 0), Ticket()))


def test_models_are_found_by_kind_and_name(make, tmp_path):
    registry = make()
    assert registry.find("classifier").name == "first"
    assert registry.find("classifier", "tiny-languages").settings == ClassifierModelSettings()
    assert registry.find("drawing").name == registry.find("embedder").name == "tiny"
    with pytest.raises(Problem) as unknown:
        registry.find("classifier", str(tmp_path))
    assert unknown.value.status == 404
    assert unknown.value.field == "model"
    assert unknown.value.remedy == "Name one of first, second, tiny-languages."
    with pytest.raises(Problem, match="This server has no recognizer model"):
        registry.find("recognizer")
    folder = registry.find("classifier", str(tmp_path), is_local=True)
    assert folder is registry.find("classifier", f"{tmp_path}/.", is_local=True)
    assert folder.settings.model == str(tmp_path.resolve())
    assert folder not in registry.entries


def test_a_model_is_preloaded_once_and_its_error_waits_for_a_request(make, loader):
    async def scenario():
        registry = make()
        loader.errors = [InputError("damaged")]
        registry.preload("classifier")
        await until(lambda: not loader.errors)
        registry.preload("xvector")  # of which there is none
        entry = registry.find("classifier")
        await until(lambda: not registry.lanes[entry].is_needed)
        for _ in range(3):
            registry.preload("classifier")
        await until(lambda: registry.lanes[entry].is_loaded)

    run(scenario())
    assert len(loader.loaded) == 1
