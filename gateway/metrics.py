"""What /metrics says: counters of every stage, read when asked. No label is without bound."""

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.ingest.endpoint.server import Endpoint
from gateway.ingest.mqtt_client import BrokerClient
from gateway.ingest.pipeline import Pipeline
from gateway.live import FleetMemory
from gateway.ports.history import History
from gateway.ports.ledger import RejectReason
from gateway.storage.forwarder import Forwarder
from gateway.storage.history import EmbeddedHistory
from gateway.storage.influx import InfluxHistory

Read = Callable[[], Iterable[Metric]]


class _Reader(Collector):
    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Read now."""
        yield from self._read()


def registry(*reads: Read) -> CollectorRegistry:
    """A registry of its own (no globals): our reads, and the process's memory and CPU."""
    made = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    for read in (_build, *reads):
        made.register(_Reader(read))
    return made


def _build() -> Iterator[Metric]:
    family = GaugeMetricFamily("siaga_build_info", "1; what runs here is in the labels.", labels=["version"])
    try:
        running = version("siaga")
    except PackageNotFoundError:  # from a source tree that was not installed
        running = "unknown"
    family.add_metric([running], 1)
    yield family


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """One number that only grows."""
    return CounterMetricFamily(f"siaga_{name}", text, value=value)


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """One number that goes up and down."""
    return GaugeMetricFamily(f"siaga_{name}", text, value=value)


def labelled(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> CounterMetricFamily:
    """A counter by one bounded label."""
    family = CounterMetricFamily(f"siaga_{name}", text, labels=[label])
    for word, value in values:
        family.add_metric([word], value)
    return family


def rejects(counts: dict[str, int]) -> CounterMetricFamily:
    """Every reason is there from the start, so that an alert on its rate works at once."""
    return labelled(
        "messages_rejected",
        "Messages kept as rejects, by reason.",
        "reason",
        ((reason.value, counts.get(reason.value, 0)) for reason in RejectReason),
    )


def pipeline_metrics(pipeline: Pipeline) -> Iterator[Metric]:
    """The path from message to commit."""
    counts = pipeline.counts
    yield counter("messages_received", "Messages taken from all ways in.", counts.received)
    yield counter("messages_committed", "Messages whose effects are committed.", counts.committed)
    yield counter("batches", "Transactions of the pipeline.", counts.batches)
    yield counter("commit_retries", "Commits that were tried again because the ledger was away.", counts.retries)
    yield counter("health_changes", "Changes of health that rules decided.", counts.changes)
    yield rejects(counts.rejected)
    yield gauge("database_away", "1 while commits fail and are tried again.", bool(counts.trouble))
    yield gauge("window_messages", "Messages taken and not yet acknowledged.", pipeline.pending)
    yield gauge("window_limit", "Bound of the window.", pipeline.limits.window)
    yield gauge("last_commit_timestamp_seconds", "When the last batch was committed.", counts.last_commit_at)
    yield counter("commit_seconds", "Time spent waiting for transactions.", counts.commit_s)
    yield counter("checkpoints", "Times the fleet's memory was saved.", pipeline.checkpoint.written)
    yield gauge("checkpoint_seconds", "How long the last of them took.", pipeline.checkpoint.seconds)


def way_metrics(endpoint: Endpoint | None, broker: BrokerClient | None) -> Iterator[Metric]:
    """The ways in. Those of the broker are there without one too, so that an alert on them is never without data."""
    yield gauge("broker_away", "1 while the broker that is set cannot be used.", bool(broker and broker.trouble))
    yield counter("broker_connects", "Connections made to the broker.", broker.connections if broker else 0)
    if endpoint is not None:
        yield from endpoint_metrics(endpoint)


def endpoint_metrics(endpoint: Endpoint) -> Iterator[Metric]:
    """The embedded MQTT endpoint."""
    counts = endpoint.counters
    yield gauge("mqtt_connections", "Network connections now.", endpoint.connections)
    yield gauge("mqtt_sessions", "Sessions now, with and without a connection.", endpoint.sessions)
    yield gauge("mqtt_retained_messages", "Retained messages now.", endpoint.retained)
    yield gauge("mqtt_journal_backlog", "Changes of sessions that wait to be written.", endpoint.journal_backlog)
    yield counter("mqtt_connects", "Network connections accepted.", counts.connections)
    yield counter("mqtt_over_limit", "Connections closed because there were too many.", counts.connections_over_limit)
    yield counter("mqtt_received_bytes", "Bytes received.", counts.bytes_in)
    yield counter("mqtt_publishes_received", "PUBLISH packets received.", counts.publishes_in)
    yield counter("mqtt_publishes_refused", "PUBLISH packets on topics of others.", counts.publishes_refused)
    yield counter("mqtt_wills", "Last wills published.", counts.wills)
    yield counter("mqtt_store_retries", "Writes of sessions that were tried again.", counts.store_retries)
    yield labelled(
        "mqtt_deliveries_dropped",
        "Deliveries given up, by why.",
        "reason",
        ((why, counts.dropped[why]) for why in ("queue_full", "expired_or_too_large")),
    )
    yield counter("mqtt_deliveries", "PUBLISH packets sent to clients.", counts.deliveries_out)
    yield counter("mqtt_take_overs", "Sessions taken over by a newer connection.", counts.take_overs)
    yield counter("mqtt_paused_for_rate", "Times a device was read slower because of its rate.", counts.paused_for_rate)
    yield counter(
        "mqtt_paused_for_window", "Times reading stopped because the window was full.", counts.paused_for_window
    )
    yield labelled("mqtt_connects_refused", "Connections refused, by reason.", "reason", counts.refused.items())
    yield labelled("mqtt_disconnects", "Connections ended by us, by reason.", "reason", counts.disconnected.items())


def outflow_metrics(forwarder: Forwarder, history: History, now: float) -> Iterator[Metric]:
    """From the journal to the history store, and what that keeps."""
    state = forwarder.state
    oldest = state.backlog.oldest_at
    yield counter("history_samples", "Reports handed to the history store.", state.forwarded)
    yield counter("history_failures", "Times the history store was not reached.", state.failures)
    yield gauge("outbox_entries", "Journal entries not yet in the history store.", state.backlog.entries)
    yield gauge("outbox_bytes", "Their size.", state.backlog.bytes)
    yield gauge("outbox_age_seconds", "Age of the oldest of them.", 0.0 if oldest is None else max(0.0, now - oldest))
    behind = not state.caught_up or bool(state.queued)
    yield gauge("history_behind", "1 while committed samples have not reached the history store.", behind)
    yield gauge("outbox_full", "1 while the gateway does not acknowledge because the outbox is full.", state.full)
    yield gauge("outbox_queued", "Reports in memory on their way to the history store.", state.queued)
    yield gauge(
        "outbox_caught_up", "1 while the history store is behind by what is in memory at most.", state.caught_up
    )
    yield from history_metrics(history)


def history_metrics(history: History) -> Iterator[Metric]:
    """The history store itself. Every line is there for either store, 0 where it means nothing."""
    embedded = history if isinstance(history, EmbeddedHistory) else None
    refused = history.refused if isinstance(history, InfluxHistory) else 0
    too_old = embedded.too_old if embedded else 0
    yield counter("history_too_old", "Reports past the retention of the embedded history.", too_old)
    yield counter("history_refused", "Values that InfluxDB would not take.", refused)
    yield gauge("history_bytes", "Size of the embedded history on disk.", embedded.bytes_on_disk if embedded else 0)


def fleet_metrics(memory: FleetMemory) -> Iterator[Metric]:
    """The fleet as diagnostics see it. No pass over it."""
    fleet = memory.fleet
    yield gauge("names_brought_in", "Names of metrics and states outside the catalogue.", memory.vocabulary.brought_in)
    yield gauge("devices_registered", "Registered devices.", fleet.device_count)
    yield gauge("devices_heard", "Devices that have ever reported.", fleet.spoke_count)
    yield gauge("devices_offline", "Devices that are silent past their timeout.", fleet.offline_count)
    yield gauge("blind", "1 while we hear nothing from anybody: our own outage.", fleet.blind_since() is not None)
