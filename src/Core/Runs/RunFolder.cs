using System.Globalization;
using System.Text.Json;
using Files = System.IO.Path;

namespace Peft.Orleans.Core.Runs;

/// <summary>Everything that lies in a run's folder, by its path; client and silos spell no name of it themselves.</summary>
/// <param name="Path">The folder, absolute.</param>
public sealed record RunFolder(string Path)
{
    /// <summary>Name of the resolved run file.</summary>
    public const string RunFileName = "run.yaml";

    /// <summary>Name of an adapter's tensors in its folder, PEFT's.</summary>
    public const string AdapterTensorsName = "adapter_model.safetensors";

    /// <summary>Name of an adapter's configuration in its folder, PEFT's.</summary>
    public const string AdapterConfigName = "adapter_config.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
    };

    /// <summary>The resolved run file.</summary>
    public string RunFile => Files.Combine(Path, RunFileName);

    /// <summary>One line per committed step.</summary>
    public string Metrics => Files.Combine(Path, "metrics.jsonl");

    /// <summary>The microbatches trained in each committed step, by content hash.</summary>
    public string Samples => Files.Combine(Path, "samples.jsonl");

    /// <summary>What happened.</summary>
    public string Events => Files.Combine(Path, "events.jsonl");

    /// <summary>The term that writes here: one that comes late leaves the folder alone.</summary>
    public string Writer => Files.Combine(Path, ".writer");

    /// <summary>Last status, for readers when no silo runs.</summary>
    public string Status => Files.Combine(Path, "status.json");

    /// <summary>Folder of the logs: one file per silo, and the background client's.</summary>
    public string Logs => Files.Combine(Path, "logs");

    /// <summary>Log of a silo.</summary>
    public string LogOf(string silo) => Files.Combine(Logs, silo + ".log");

    /// <summary>Log of a client that works in the background.</summary>
    public string ClientLog => Files.Combine(Logs, "client.log");

    /// <summary>Folder of the adapter.</summary>
    public string Adapter => Files.Combine(Path, "adapter");

    /// <summary>The adapter's tensors.</summary>
    public string AdapterTensors => Files.Combine(Adapter, AdapterTensorsName);

    /// <summary>The adapter's configuration.</summary>
    public string AdapterConfig => Files.Combine(Adapter, AdapterConfigName);

    /// <summary>Folder of the model, with method full.</summary>
    public string Model => Files.Combine(Path, "model");

    /// <summary>Folder of the snapshots.</summary>
    public string Snapshots => Files.Combine(Path, "snapshots");

    /// <summary>Folder of the best adapter's parts, while the run keeps them.</summary>
    public string Best => Files.Combine(Path, "best");

    /// <summary>Folder of what is made of the data files, to read samples where they lie.</summary>
    public string Data => Files.Combine(Path, "data");

    /// <summary>Where in the data files the samples lie.</summary>
    public string SampleIndex => Files.Combine(Data, "samples.index");

    /// <summary>The text of a packed data file, as it is read.</summary>
    /// <param name="sha256">Hash of the packed file.</param>
    public string Unpacked(string sha256) => Files.Combine(Data, $"unpacked-{sha256[..16]}.jsonl");

    /// <summary>Folder of the run's local cluster.</summary>
    public string Cluster => Files.Combine(Path, "cluster");

    /// <summary>Folder of a step's snapshot.</summary>
    public string Snapshot(int step) => Files.Combine(Snapshots, StepName(step));

    /// <summary>Folder of the parts of the best adapter, that of a step.</summary>
    public string BestOf(int step) => Files.Combine(Best, StepName(step));

    /// <summary>A fresh name for a folder of parts, one file per layer, from which a result is put together.</summary>
    public string NewParts() => NewParts(Path);

    /// <summary>The same in any folder.</summary>
    public static string NewParts(string folder) => Files.Combine(folder, $".parts-{Guid.NewGuid():N}");

    /// <summary>Name of a layer's file in a snapshot and among parts.</summary>
    public static string LayerFile(int layer) => LayerName(layer) + ".safetensors";

    /// <summary>A layer's name in names of files.</summary>
    public static string LayerName(int layer) => string.Create(CultureInfo.InvariantCulture, $"layer-{layer:D4}");

    /// <summary>Hash of the resolved run file: ties snapshots to it.</summary>
    public static string HashOf(string runYaml) => FileHash.OfText(runYaml);

    /// <summary>The last status written; null before the first, and of a folder without a name, which is elsewhere.</summary>
    /// <exception cref="JsonException">The file is damaged.</exception>
    public RunStatus? ReadStatus() =>
        Path.Length > 0 && File.Exists(Status)
            ? JsonSerializer.Deserialize<RunStatus>(File.ReadAllText(Status), Options) ?? throw new JsonException("it is null")
            : null;

    /// <summary>Writes the status atomically.</summary>
    public void WriteStatus(RunStatus status)
    {
        var temporary = $"{Status}.{Environment.ProcessId}.tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(status, Options));
        File.Move(temporary, Status, overwrite: true);
    }

    private static string StepName(int step) => $"step-{step:D6}";
}
