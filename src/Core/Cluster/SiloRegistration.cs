using System.Text.Json;

namespace Peft.Orleans.Core.Cluster;

/// <summary>What a silo of a local cluster writes about itself, <c>silos/NAME.json</c> in the cluster's folder, once it accepts clients.</summary>
/// <param name="Name">Silo name.</param>
/// <param name="Pid">Process id.</param>
/// <param name="Address">Host.</param>
/// <param name="SiloPort">Silo-to-silo port.</param>
/// <param name="GatewayPort">Client port.</param>
/// <param name="MetricsUrl">URL of /metrics.</param>
public sealed record SiloRegistration(string Name, int Pid, string Address, int SiloPort, int GatewayPort, string MetricsUrl)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    /// <summary>Folder of the registrations in a cluster's folder.</summary>
    public static string FolderOf(string clusterFolder) => Path.Combine(clusterFolder, "silos");

    /// <summary>Writes the registration atomically.</summary>
    public void Write(string clusterFolder)
    {
        var folder = FolderOf(clusterFolder);
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Name + ".json");
        var temporary = path + "." + Pid + ".tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(this, Options));
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>All registrations in a cluster's folder, by name; also of silos that have died since.</summary>
    public static IReadOnlyList<SiloRegistration> ReadAll(string clusterFolder)
    {
        var folder = FolderOf(clusterFolder);
        if (!Directory.Exists(folder)) return [];
        return [.. Directory.EnumerateFiles(folder, "*.json")
            .Order(StringComparer.Ordinal)
            .Select(path => JsonSerializer.Deserialize<SiloRegistration>(File.ReadAllText(path), Options)!)];
    }
}
