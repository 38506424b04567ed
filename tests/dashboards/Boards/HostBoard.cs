using Peft.Orleans.Dashboards.Source;
using static Peft.Orleans.Dashboards.Source.Panel;

namespace Peft.Orleans.Dashboards.Boards;

/// <summary>What silos' processes, their machines and their GPUs do.</summary>
internal static class HostBoard
{
    private const string Memory = "max by (silo) (peft_silo_resident_memory_bytes{SILO})";

    internal static Board Board { get; } = new(
        "host-gpu",
        "Peft.Orleans / Host and GPU",
        "Silos' processes (their own metrics), their machines (node exporter), their GPUs (DCGM exporter).",
        new Row("Silos", Silos()),
        new Row("Machines (node exporter)", Machines()),
        new Row("GPUs (DCGM exporter)", Gpus()))
    {
        Variables =
        [
            new("instance", "Machine", "label_values(node_uname_info, instance)"),
            new("host", "GPU host", "label_values(DCGM_FI_DEV_GPU_UTIL, Hostname)"),
        ],
    };

    private static Panel[] Silos() =>
    [
        Lines(
            "Device busy",
            Units.Share,
            "Share of the time that the silo's device thread works.",
            "below a half while the run trains: the device waits for data, network or other silos.",
            new Query("sum by (silo) (rate(peft_silo_device_busy_seconds_total{SILO}[$__rate_interval]))", "{{silo}}"))
            with { Min = 0, Max = 1 },
        Lines(
            "Work that waits for the device",
            Units.Count,
            "Pieces of work in the device thread's queues.",
            "it grows: this silo holds the others up.",
            new Query("sum by (silo, priority) (peft_silo_device_queue{SILO})", "{{silo}} {{priority}}")) with { Min = 0 },
        Lines(
            "Compute threads",
            Units.Count,
            "Threads that the silo computes with.",
            "silos of one run differ: the run refuses those with another number than `compute.threads_per_silo`.",
            new Query("max by (silo) (peft_silo_threads{SILO})", "{{silo}}")) with { Min = 0 },
        Lines(
            "Peak of the device",
            Units.Flops,
            "Peak in FLOP per second, as `--peak-gflops` says. Empty without it.",
            "another type's: the utilisation on the board Run is wrong by their ratio.",
            new Query("max by (silo) (peft_silo_peak_flops{SILO})", "{{silo}}")) with { Min = 0 },
        Lines(
            "Memory over its limit",
            Units.Share,
            "Resident memory of the silo's process over the memory that plans count with.",
            "above 90 %: the system will refuse memory, or kill the silo.",
            new Query($$"""{{Memory}} / max by (silo) (peft_silo_memory_limit_bytes{SILO})""", "{{silo}}"))
            with { Min = 0, Thresholds = [new(0.9, "red")] },
        Lines(
            "Memory",
            Units.Bytes,
            "Resident memory of the silo's process now, and its largest.",
            "it grows from step to step: a leak, live tensors tell which kind.",
            new Query(Memory, "{{silo}}"),
            new Query("max by (silo) (peft_silo_peak_memory_bytes{SILO})", "{{silo}} largest")) with { Min = 0 },
        Lines(
            "Live tensors",
            Units.Count,
            "Tensors alive in the process.",
            "it grows from step to step: a leak.",
            new Query("max by (silo) (peft_silo_live_tensors{SILO})", "{{silo}}")) with { Min = 0 },
        Lines(
            "Refused memory",
            Units.Count,
            "Times that the system refused memory for a tensor, in all lives of a silo's name; each ends its process.",
            "any: more memory, or more silos. Kills by the kernel are not among them.",
            new Query("max by (silo) (peft_silo_out_of_memory_total{SILO})", "{{silo}}"))
            with { Min = 0, Width = 16, Thresholds = [new(1, "red")] },
    ];

    private static Panel[] Machines() =>
    [
        Lines(
            "Processor",
            Units.Share,
            "Share of the machine's processors that is busy.",
            "at 100 % with a low share of the silo's own: something else takes the processors away.",
            new Query(
                """1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle", instance=~"$instance"}[$__rate_interval]))""",
                "{{instance}}")) with { Min = 0, Max = 1 },
        Lines(
            "Load",
            Units.None,
            "Processes that run or wait, over a minute.",
            "far above the number of processors: silos wait for each other's turn.",
            new Query("""max by (instance) (node_load1{instance=~"$instance"})""", "{{instance}}")) with { Min = 0 },
        Lines(
            "Memory left",
            Units.Bytes,
            "Memory that the machine can still give.",
            "near 0: the kernel will kill a process.",
            new Query("""min by (instance) (node_memory_MemAvailable_bytes{instance=~"$instance"})""", "{{instance}}")) with { Min = 0 },
        Lines(
            "Network",
            Units.BytesPerSecond,
            "Bytes received and sent by the machine's network devices.",
            "at the link's limit: the data plane waits for it.",
            new Query("""sum by (instance) (rate(node_network_receive_bytes_total{instance=~"$instance"}[$__rate_interval]))""",
                "{{instance}} in"),
            new Query("""sum by (instance) (rate(node_network_transmit_bytes_total{instance=~"$instance"}[$__rate_interval]))""",
                "{{instance}} out")) with { Min = 0 },
        Lines(
            "Disk",
            Units.BytesPerSecond,
            "Bytes read and written by the machine's disks.",
            "at the disk's limit while snapshots are written: storage holds the run up.",
            new Query("""sum by (instance) (rate(node_disk_read_bytes_total{instance=~"$instance"}[$__rate_interval]))""",
                "{{instance}} read"),
            new Query("""sum by (instance) (rate(node_disk_written_bytes_total{instance=~"$instance"}[$__rate_interval]))""",
                "{{instance}} written")) with { Min = 0 },
        Lines(
            "Room on file systems",
            Units.Share,
            "Free share of the fullest file system.",
            "below 5 %: runs, stores or logs will stop.",
            new Query(
                """min by (instance) (node_filesystem_avail_bytes{instance=~"$instance", fstype!~"tmpfs|ramfs|squashfs|overlay"}"""
                    + """ / (node_filesystem_size_bytes{instance=~"$instance", fstype!~"tmpfs|ramfs|squashfs|overlay"} > 0))""",
                "{{instance}}")) with { Min = 0, Max = 1 },
    ];

    private static Panel[] Gpus() =>
    [
        Gpu(
            "Tensor cores",
            Units.Share,
            "Share of the cycles in which the tensor cores work (`DCGM_FI_PROF_PIPE_TENSOR_ACTIVE`).",
            "below a tenth while the run trains: the GPU waits, or small products do not fill it.",
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE") with { Min = 0, Max = 1 },
        Gpu(
            "Utilisation",
            Units.Percent,
            "Share of the time in which any kernel runs (`DCGM_FI_DEV_GPU_UTIL`).",
            "below 50 % while the run trains: the GPU waits for data, network or other silos.",
            "DCGM_FI_DEV_GPU_UTIL") with { Min = 0, Max = 100 },
        Gpu(
            "Memory used",
            Units.Share,
            "Used share of the GPU's memory.",
            "above 95 %: the next large tensor is refused.",
            $"DCGM_FI_DEV_FB_USED{GpuMatcher} / (DCGM_FI_DEV_FB_USED{GpuMatcher} + DCGM_FI_DEV_FB_FREE{GpuMatcher})")
            with { Min = 0, Max = 1, Thresholds = [new(0.95, "red")] },
        Gpu(
            "Temperature",
            Units.Celsius,
            "Temperature of the GPU.",
            "above 85 °C: it slows itself down.",
            "DCGM_FI_DEV_GPU_TEMP") with { Thresholds = [new(85, "red")] },
        Gpu(
            "Power",
            Units.Watt,
            "Power that the GPU draws.",
            "far below its limit while the run trains: it waits; at the limit with falling clocks: it is throttled.",
            "DCGM_FI_DEV_POWER_USAGE") with { Min = 0 },
        Gpu(
            "Clock",
            Units.Megahertz,
            "Clock of the streaming multiprocessors.",
            "it falls under load: heat or power throttles the GPU, and its silo becomes a straggler.",
            "DCGM_FI_DEV_SM_CLOCK") with { Min = 0 },
        Gpu(
            "NVLink",
            Units.BytesPerSecond,
            "Traffic over NVLink, as the exporter counts it.",
            "0 between GPUs that should be linked: tensors go through the host.",
            $"rate(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL{GpuMatcher}[$__rate_interval])") with { Min = 0 },
        Gpu(
            "Last XID error",
            Units.None,
            "Number of the last XID error that the driver reported; 0: none.",
            "any other: 48, 63, 64, 94, 95 are memory errors, 79 is a GPU that fell off the bus: drain the node.",
            "DCGM_FI_DEV_XID_ERRORS") with { Min = 0, Thresholds = [new(1, "red")] },
        Gpu(
            "Rows remapped after uncorrectable errors",
            Units.Count,
            "Rows of memory replaced after uncorrectable errors.",
            "it grows: the memory wears out; replace the GPU.",
            "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS") with { Min = 0 },
    ];

    private const string GpuMatcher = """{Hostname=~"$host"}""";

    private static Panel Gpu(string title, string unit, string shows, string bad, string metric) =>
        Lines(title, unit, shows, bad, new Query(
            $"max by (Hostname, gpu) ({(metric.Contains('{', StringComparison.Ordinal) ? metric : metric + GpuMatcher)})",
            "{{Hostname}} GPU {{gpu}}"));
}
