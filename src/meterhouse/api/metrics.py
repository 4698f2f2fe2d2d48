"""What operators watch, in the format of Prometheus: requests as they come, the ledger as it is."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from meterhouse.app.diagnosis import Tallies
from meterhouse.core.instant import SECOND, Instant

#: Seconds; an import of many meters may well take minutes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LABELS = ("method", "route", "status")
#: Other methods are counted as one, lest clients make up series.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Meters:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "meterhouse_http_requests", "Requests answered", _LABELS, registry=self._registry
        )
        self._seconds = Histogram(
            "meterhouse_http_request_seconds",
            "How long they took",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def request(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count a request."""
        known = method if method in _METHODS else "(other)"
        self._requests.labels(known, route, str(status or "none")).inc()
        self._seconds.labels(known, route).observe(seconds)

    def text(self, tallies: Tallies, *, running: int, at: Instant) -> bytes:
        """Return everything, with the ledger as it is now."""
        ledger = CollectorRegistry(auto_describe=False)
        ledger.register(_OfLedger(tallies, running, at))
        return generate_latest(self._registry) + generate_latest(ledger)


class _OfLedger(Collector):
    def __init__(self, tallies: Tallies, running: int, at: Instant) -> None:
        self._tallies = tallies
        self._running = running
        self._at = at

    def collect(self) -> Iterator[Metric]:
        tallies = self._tallies
        yield _by("meterhouse_runs", "Runs in the ledger", "status", tallies.runs)
        yield _by(
            "meterhouse_suspended_records",
            "Records in Data Correction",
            "reason",
            tallies.suspended,
        )
        yield _one("meterhouse_meters", "Meters", tallies.meters)
        yield _one("meterhouse_meter_types", "Meter types", tallies.meter_types)
        yield _one("meterhouse_outbox_pending", "Outputs that wait for delivery", tallies.pending)
        since = self._at if tallies.pending_since is None else tallies.pending_since
        yield _one(
            "meterhouse_outbox_oldest_seconds",
            "How long ago the run ended whose output has waited longest; 0 where none waits",
            max(0, self._at - since) // SECOND,
        )
        yield _one(
            "meterhouse_dead_letters",
            "Records that were refused or given up by their receivers",
            tallies.dead_letters,
        )
        yield _one("meterhouse_running_streams", "Streams that run in this server", self._running)


def _by(name: str, about: str, label: str, counts: object) -> Metric:
    family = GaugeMetricFamily(name, about, labels=(label,))
    assert isinstance(counts, dict)
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _one(name: str, about: str, count: int) -> Metric:
    return GaugeMetricFamily(name, about, value=count)
