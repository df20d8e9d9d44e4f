"""Metrics of a server for Prometheus. Their names begin with photism_, and their labels have few values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from photism.server.engine.registry import ModelRegistry

DURATIONS_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
"""Upper bounds of the buckets of durations; a request may wait and compute for minutes."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})
FOLDER = "folder"
"""Label of all models that requests on this machine name by their folders."""


class Metrics:
    """Metrics of one server, in a registry of their own, so that several servers may run in a process.

    Args:
        models: the models, whose queues and counts are read when the metrics are asked for.
        count_live: returns the number of live connections.
    """

    def __init__(self, models: ModelRegistry, count_live: Callable[[], int] = lambda: 0) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "photism_requests", "Requests that were answered.", ["method", "route", "status"], registry=registry
        )
        self._cancelled = Counter(
            "photism_requests_cancelled", "Requests whose client left before the answer.", ["route"], registry=registry
        )
        self._durations = Histogram(
            "photism_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ["route"],
            buckets=DURATIONS_S,
            registry=registry,
        )
        self._received = Counter("photism_received_bytes", "Size of bodies of requests.", registry=registry)
        self._sent = Counter("photism_sent_bytes", "Size of bodies of answers.", registry=registry)
        self._audio = Counter("photism_audio_seconds", "Duration of recordings.", ["route"], registry=registry)
        live = Gauge("photism_live_connections", "WebSockets that are open.", registry=registry)
        live.set_function(count_live)
        registry.register(_ModelCollector(models))
        registry.register(_GpuCollector())
        # The resident memory, CPU time and open files of the process, on Linux.
        ProcessCollector(namespace="photism", registry=registry)

    def record(
        self,
        method: str,
        route: str,
        status: int,
        *,
        duration_s: float,
        received: int,
        sent: int,
        audio_s: float,
        is_cancelled: bool,
    ) -> None:
        """Record a request that has ended.

        Args:
            method: of HTTP, or "WEBSOCKET".
            route: template of the path, such as "/v1/film/{id}".
            status: of the answer.
            duration_s: from the request to the end of its answer.
            received: bytes of its body.
            sent: bytes of the answer's body.
            audio_s: duration of its recordings.
            is_cancelled: whether its client left before the answer was complete.
        """
        self._requests.labels(method if method in METHODS else "other", route, status).inc()
        self._durations.labels(route).observe(duration_s)
        self._received.inc(received)
        self._sent.inc(sent)
        if audio_s:
            self._audio.labels(route).inc(audio_s)
        if is_cancelled:
            self._cancelled.labels(route).inc()

    def as_text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _ModelCollector(Collector):
    """Queues, loads and work items of all models, as their lanes count them."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    def describe(self) -> list[Metric]:
        """Return nothing, so that no model is asked when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all models that were used."""
        labels = ["kind", "model"]
        gauges = {
            "queued": GaugeMetricFamily("photism_queue_length", "Requests that wait for a model.", labels=labels),
            "running": GaugeMetricFamily("photism_works_running", "Requests that use a model.", labels=labels),
            "is_loaded": GaugeMetricFamily("photism_models_loaded", "Models in memory.", labels=labels),
        }
        counters = {
            "loads": CounterMetricFamily("photism_model_loads", "How often a model was loaded.", labels=labels),
            "unloads": CounterMetricFamily("photism_model_unloads", "How often a model left memory.", labels=labels),
            "waited_s": CounterMetricFamily(
                "photism_waited_seconds", "Time that requests waited for a model, all together.", labels=labels
            ),
            "computed_s": CounterMetricFamily(
                "photism_computed_seconds", "Time in which a model was used or loaded.", labels=labels
            ),
        }
        works = CounterMetricFamily("photism_works", "Requests to a model by their end.", labels=[*labels, "outcome"])
        for values, sums in self._sums().items():
            for name, family in (*gauges.items(), *counters.items()):
                family.add_metric(values, sums[name])
            for outcome in ("finished", "failed", "cancelled", "refused"):
                works.add_metric([*values, outcome], sums[outcome])
        yield from (*gauges.values(), *counters.values(), works)

    def _sums(self) -> dict[tuple[str, str], dict[str, float]]:
        """Return the counts by kind and name; all folders of a kind are added up, since their names are private."""
        sums: dict[tuple[str, str], dict[str, float]] = {}
        for entry, lane in self._models.lanes.items():
            counts = vars(lane.counts) | {name: getattr(lane, name) for name in ("queued", "running", "is_loaded")}
            known = sums.setdefault((entry.kind, FOLDER if entry.is_folder else entry.name), dict.fromkeys(counts, 0))
            for name, count in counts.items():
                known[name] += count
        return sums


class _GpuCollector(Collector):
    """Memory that the process has allocated on GPUs."""

    def describe(self) -> list[Metric]:
        """Return nothing, so that no GPU is asked when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the memory of each GPU, if torch has used one."""
        memory = GaugeMetricFamily("photism_gpu_memory_bytes", "Memory of models on a GPU.", labels=["device"])
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            for device in range(torch.cuda.device_count()):
                memory.add_metric([str(device)], torch.cuda.memory_reserved(device))
        yield memory
