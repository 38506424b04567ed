using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// What a silo of a local cluster writes about itself, <c>silos/NAME.json</c> in the cluster's folder, once it accepts clients.
/// </summary>
/// <param name="Name">Silo name.</param>
/// <param name="Pid">Process id.</param>
/// <param name="Address">Host.</param>
/// <param name="SiloPort">Silo-to-silo port.</param>
/// <param name="GatewayPort">Client port.</param>
/// <param name="MetricsUrl">URL of /metrics.</param>
public sealed record SiloRegistration(string Name, int Pid, string Address, int SiloPort, int GatewayPort, string MetricsUrl)
{
    /// <summary>Where it accepts clients.</summary>
    [JsonIgnore]
    public Endpoint Gateway => new(Address, GatewayPort);

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    /// <summary>Folder of the registrations in a cluster's folder.</summary>
    public static string FolderOf(string clusterFolder) => Path.Combine(clusterFolder, "silos");

    /// <summary>Writes the registration atomically.</summary>
    public void Write(string clusterFolder)
    {
        var folder = FolderOf(clusterFolder);
        Directory.CreateDirectory(folder);
        var path = PathOf(clusterFolder, Name);
        var temporary = path + "." + Pid + ".tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(this, Options));
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>The registration of one silo; null where there is none, or it is just being replaced.</summary>
    public static SiloRegistration? Read(string clusterFolder, string name) => ReadFile(PathOf(clusterFolder, name));

    /// <summary>Removes what a former life of a name has left.</summary>
    public static void Remove(string clusterFolder, string name)
    {
        var path = PathOf(clusterFolder, name);
        if (File.Exists(path)) File.Delete(path);
    }

    /// <summary>All registrations in a cluster's folder, by name; also of silos that have died since.</summary>
    public static IReadOnlyList<SiloRegistration> ReadAll(string clusterFolder)
    {
        var folder = FolderOf(clusterFolder);
        if (!Directory.Exists(folder)) return [];
        return [.. Directory.EnumerateFiles(folder, "*.json")
            .Order(StringComparer.Ordinal)
            .Select(ReadFile).OfType<SiloRegistration>()];
    }

    private static string PathOf(string clusterFolder, string name) => Path.Combine(FolderOf(clusterFolder), name + ".json");

    private static SiloRegistration? ReadFile(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<SiloRegistration>(File.ReadAllText(path), Options) : null;
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            // Removed since it was listed, or the disk was full as it was written: a silo that is not there.
            return null;
        }
    }
}
