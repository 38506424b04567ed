using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>Names of the files in a run's folder.</summary>
public static class RunFolder
{
    /// <summary>The resolved run file.</summary>
    public const string RunFileName = "run.yaml";

    /// <summary>One line per committed step.</summary>
    public const string Metrics = "metrics.jsonl";

    /// <summary>The microbatches trained in each committed step, by content hash.</summary>
    public const string Samples = "samples.jsonl";

    /// <summary>What happened.</summary>
    public const string Events = "events.jsonl";

    /// <summary>The adapter.</summary>
    public const string Adapter = "adapter";

    /// <summary>The model, with method full.</summary>
    public const string Model = "model";

    /// <summary>Last status, for readers when no silo runs.</summary>
    public const string StatusName = "status.json";

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Hash of the resolved run file: ties snapshots to it.</summary>
    public static string HashOf(string runYaml) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(runYaml)));

    /// <summary>Writes the status atomically.</summary>
    public static void WriteStatus(RunStatus status)
    {
        var path = Path.Combine(status.Folder, StatusName);
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(status, Options));
        File.Move(temporary, path, overwrite: true);
    }
}
