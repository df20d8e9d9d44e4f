"""Metrics: names, values, and labels that visitors cannot multiply."""

import sys
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from photism.server.operations.metrics import Metrics

COUNTS = {
    "finished": 5,
    "failed": 1,
    "cancelled": 2,
    "refused": 3,
    "loads": 1,
    "unloads": 0,
    "waited_s": 1.5,
    "computed_s": 2.5,
}


def entry(kind: str, name: str, *, is_folder: bool = False) -> object:
    made = SimpleNamespace(kind=kind, name=name, is_folder=is_folder)
    return type("Entry", (), vars(made))()


def lane(*, queued: int = 0, running: int = 0, is_loaded: bool = True) -> object:
    return SimpleNamespace(counts=SimpleNamespace(**COUNTS), queued=queued, running=running, is_loaded=is_loaded)


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels."""
    families = text_string_to_metric_families(metrics.as_text().decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


@pytest.fixture
def metrics():
    lanes = {
        entry("drawing", "tiny"): lane(queued=4, running=1),
        entry("sound", "/home/ada/a", is_folder=True): lane(),
        entry("sound", "/home/ada/b", is_folder=True): lane(is_loaded=False),
    }
    return Metrics(SimpleNamespace(lanes=lanes), lambda: 7)


def test_all_names_begin_with_photism(metrics):
    families = list(text_string_to_metric_families(metrics.as_text().decode()))
    assert len(families) > 10
    assert {family.name.partition("_")[0] for family in families} == {"photism"}
    assert all(family.documentation.endswith(".") for family in families)


def test_requests_are_counted(metrics):
    for status, is_cancelled in ((200, False), (200, False), (503, True)):
        metrics.record(
            "POST",
            "/v1/draw",
            status,
            duration_s=0.5,
            received=100,
            sent=20,
            audio_s=2.5,
            is_cancelled=is_cancelled,
        )
    found = samples(metrics)
    assert found["photism_requests_total", "POST", "/v1/draw", "200"] == 2
    assert found["photism_requests_total", "POST", "/v1/draw", "503"] == 1
    assert found["photism_requests_cancelled_total", "/v1/draw"] == 1
    assert found["photism_request_duration_seconds_count", "/v1/draw"] == 3
    assert found["photism_request_duration_seconds_sum", "/v1/draw"] == 1.5
    assert found["photism_received_bytes_total",] == 300
    assert found["photism_sent_bytes_total",] == 60
    assert found["photism_audio_seconds_total", "/v1/draw"] == 7.5


def test_models_have_queues_and_counts(metrics):
    found = samples(metrics)
    assert found["photism_queue_length", "drawing", "tiny"] == 4
    assert found["photism_works_running", "drawing", "tiny"] == 1
    assert found["photism_models_loaded", "drawing", "tiny"] == 1
    assert found["photism_model_loads_total", "drawing", "tiny"] == 1
    assert found["photism_waited_seconds_total", "drawing", "tiny"] == 1.5
    assert found["photism_computed_seconds_total", "drawing", "tiny"] == 2.5
    for outcome in ("finished", "failed", "cancelled", "refused"):
        assert found["photism_works_total", "drawing", "tiny", outcome] == COUNTS[outcome]
    assert found["photism_live_connections",] == 7


def test_folders_are_added_up_without_their_names(metrics):
    found = samples(metrics)
    assert found["photism_models_loaded", "sound", "folder"] == 1
    assert found["photism_works_total", "sound", "folder", "finished"] == 10
    assert b"ada" not in metrics.as_text()


def test_methods_that_nobody_knows_are_one(metrics):
    for method in ("BREW", "WHEN"):
        metrics.record(method, "unknown", 405, duration_s=0, received=0, sent=0, audio_s=0, is_cancelled=False)
    assert samples(metrics)["photism_requests_total", "other", "unknown", "405"] == 2


def test_servers_in_one_process_count_apart(metrics):
    other = Metrics(SimpleNamespace(lanes={}))
    other.record("GET", "/health", 200, duration_s=0, received=0, sent=0, audio_s=0, is_cancelled=False)
    assert ("photism_requests_total", "GET", "/health", "200") not in samples(metrics)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_memory_is_that_of_the_process(metrics):
    assert samples(metrics)["photism_process_resident_memory_bytes",] > 10e6
