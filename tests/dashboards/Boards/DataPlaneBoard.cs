using Peft.Orleans.Dashboards.Source;
using static Peft.Orleans.Dashboards.Source.Panel;

namespace Peft.Orleans.Dashboards.Boards;

/// <summary>What moves between silos, and what runs write.</summary>
internal static class DataPlaneBoard
{
    private const string Sends = "sum by (silo, le) (rate(peft_data_plane_send_duration_seconds_bucket{SILO}[$__rate_interval]))";

    internal static Board Board { get; } = new(
        "data-plane",
        "Peft.Orleans / Data plane",
        "Tensors on their way between silos: bytes, transfers, failures; loading of data; what runs write.",
        new Row("Between silos", BetweenSilos()),
        new Row("Data and storage", Storage()));

    private static Panel[] BetweenSilos() =>
    [
        Lines(
            "Sent",
            Units.BytesPerSecond,
            "Bytes of tensors sent from silo to silo.",
            "at the network's limit: fewer stages, or a faster network; 0 between neighbours of a pipeline: nothing moves.",
            new Query("sum by (silo, peer) (rate(peft_data_plane_sent_bytes_total{SILO}[$__rate_interval]))", "{{silo}} → {{peer}}"))
            with { Min = 0 },
        Lines(
            "Received",
            Units.BytesPerSecond,
            "Bytes of tensors received by each silo.",
            "far below what is sent to it: chunks are refused or damaged.",
            new Query("sum by (silo) (rate(peft_data_plane_received_bytes_total{SILO}[$__rate_interval]))", "{{silo}}")) with { Min = 0 },
        Lines(
            "Tensors sent",
            Units.PerSecond,
            "Tensors sent from silo to silo.",
            "0 between neighbours of a pipeline while the run is running: nothing moves.",
            new Query("sum by (silo, peer) (rate(peft_data_plane_transfers_total{SILO}[$__rate_interval]))", "{{silo}} → {{peer}}"))
            with { Min = 0 },
        Lines(
            "Time of a send",
            Units.Seconds,
            "Median and 99th percentile until a tensor is handed to the network whole.",
            "it grows at equal sizes: a slow network, or a receiver that does not keep up.",
            new Query($"histogram_quantile(0.5, {Sends})", "{{silo}} median"),
            new Query($"histogram_quantile(0.99, {Sends})", "{{silo}} 99 %")) with { Logarithmic = true },
        Lines(
            "Failures",
            Units.Count,
            "Connections and chunks that failed, by reason, since the silo began.",
            "any without a silo that ended: the network; `damaged`: its hardware, or strangers at the port.",
            new Query("sum by (silo, reason) (peft_data_plane_failures_total{SILO})", "{{silo}} {{reason}}")) with { Min = 0 },
        Lines(
            "Refused",
            Units.Count,
            "Chunks thrown away since their term is not in force, since the silo began.",
            "it grows while no term changes: a superseded silo goes on sending.",
            new Query("sum by (silo) (peft_data_plane_refused_total{SILO})", "{{silo}}")) with { Min = 0 },
        Lines(
            "Connections",
            Units.Count,
            "Open connections, by who opened them.",
            "0 while silos train together; it grows without end: connections break again and again.",
            new Query("sum by (silo, direction) (peft_data_plane_connections{SILO})", "{{silo}} {{direction}}")) with { Min = 0 },
        Lines(
            "Tensors that are waited for",
            Units.Count,
            "Tensors that have begun to arrive, or are waited for.",
            "it stays above 0 while nothing is received: a sender hangs.",
            new Query("sum by (silo) (peft_data_plane_pending{SILO})", "{{silo}}")) with { Min = 0 },
        Lines(
            "Waiting for data",
            Units.Share,
            "Share of the time that passes waited for ids and labels, at embedding and head.",
            "near 100 %: reading and tokenising data is too slow.",
            new Query("sum by (silo) (rate(peft_silo_batch_wait_seconds_total{SILO}[$__rate_interval]))", "{{silo}}")) with { Min = 0 },
    ];

    private static Panel[] Storage() =>
    [
        Timeline(
            "Run folder",
            "Whether each run's folder can be written, or the run goes on in memory without it.",
            "away: its storage is gone; should all silos die now, the steps since the last snapshot are lost.",
            new Query("min by (run) (peft_run_folder_available{RUN})", "{{run}}"),
            new Named(0, "away", "red"),
            new Named(1, "reached", "green")) with { Height = 5 },
        Lines(
            "Room on the run folder's disk",
            Units.Share,
            "Free share of the run folder's file system.",
            "below 5 %, or less than two snapshots: the run will pause until there is room.",
            new Query("min by (run) (peft_run_folder_free_bytes{RUN} / peft_run_folder_size_bytes{RUN})", "{{run}}"))
            with { Min = 0, Max = 1 },
        Lines(
            "Writes that failed",
            Units.Count,
            "Writes into the run folder that failed, by what was written.",
            "any: the run folder's storage is full or out of reach.",
            new Query("max by (run, operation) (peft_storage_failures_total{RUN})", "{{run}} {{operation}}")) with { Min = 0 },
        Lines(
            "Waiting for room",
            Units.Seconds,
            "Time that runs paused for room on their disk.",
            "it grows: the disk is full now.",
            new Query("max by (run) (peft_disk_wait_seconds_total{RUN})", "{{run}}")) with { Min = 0 },
        Lines(
            "Snapshots and pauses",
            Units.Count,
            "Snapshots written, and times that the run paused for room on its disk, since the silo coordinates the run.",
            "snapshots that stand still while steps go on; any pause: the disk was full.",
            new Query("max by (run) (peft_snapshots_total{RUN})", "{{run}} snapshots"),
            new Query("max by (run) (peft_disk_waits_total{RUN})", "{{run}} pauses")) with { Min = 0 },
        Lines(
            "Time of a snapshot",
            Units.Seconds,
            "Mean time until a snapshot is written, checked and visible.",
            "near the time between two snapshots: training waits for storage.",
            new Query(
                "max by (run) (peft_snapshot_duration_seconds_sum{RUN} / (peft_snapshot_duration_seconds_count{RUN} > 0))", "{{run}}"))
            with { Min = 0 },
        Lines(
            "Snapshots written",
            Units.Bytes,
            "Bytes of snapshots written since the silo coordinates the run.",
            "it stands still while steps go on: snapshots fail.",
            new Query("max by (run) (peft_snapshot_written_bytes_total{RUN})", "{{run}}")) with { Min = 0 },
        Timeline(
            "Store of membership and state",
            "Whether the cluster's store (Redis, PostgreSQL) answered each silo when it was last asked; with SQLite, a file, whether the silo answers.",
            "away: the store's server is down, or cut off; runs go on, but no silo joins and no term is drawn until it is back.",
            new Query("""min by (silo) (peft_store_available{SILO}) or max by (silo) (up{SILO, job="peft-silo"})""", "{{silo}}"),
            new Named(0, "away", "red"),
            new Named(1, "reached", "green")) with { Width = 16, Height = 8 },
        Lines(
            "Base weights read",
            Units.Bytes,
            "Bytes of base weights read by each silo: only those of its own layers.",
            "it grows with every term: layers wander to and fro.",
            new Query("sum by (silo) (peft_silo_weights_read_bytes_total{SILO})", "{{silo}}")) with { Min = 0 },
    ];
}
