using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models;

/// <summary>
/// Where a model lies: a folder with config.json, or one of Hugging Face's cache above it (<c>models--owner--name</c>, whose
/// <c>refs/main</c> names the snapshot, or the cache that holds it).
/// </summary>
internal static class ModelLocation
{
    private const string Snapshots = "snapshots";

    /// <summary>The folder with config.json.</summary>
    /// <exception cref="PeftException">There is none, or there are several; they are named.</exception>
    internal static string Find(string path)
    {
        if (!Directory.Exists(path)) throw new PeftException($"{path}: folder not found; model.path names a Hugging Face folder");
        if (File.Exists(Path.Combine(path, ModelFolder.ConfigFile))) return path;
        if (Directory.Exists(Path.Combine(path, Snapshots))) return Snapshot(path);
        var cache = Directory.Exists(Path.Combine(path, "hub")) ? Path.Combine(path, "hub") : path;
        var models = Directory.EnumerateDirectories(cache, "models--*").Order(StringComparer.Ordinal).ToArray();
        return models.Length switch
        {
            0 => path,
            1 => Snapshot(models[0]),
            _ => throw new PeftException($"{cache}: a cache of {models.Length} models; name one of them: {Some(models)}"),
        };
    }

    private static string Snapshot(string model)
    {
        var all = Directory.EnumerateDirectories(Path.Combine(model, Snapshots)).Order(StringComparer.Ordinal).ToArray();
        var reference = Path.Combine(model, "refs", "main");
        if (File.Exists(reference))
        {
            var main = Path.Combine(model, Snapshots, Path.GetFileName(File.ReadAllText(reference).Trim()));
            if (all.Contains(main, StringComparer.Ordinal)) return Complete(main);
            throw new PeftException($"{reference}: it names the snapshot {main}, which is not there; fetch the model again, or name one of "
                + $"{Some(all)}");
        }

        return all.Length == 1
            ? Complete(all[0])
            : throw new PeftException($"{model}: there is no refs/main, and not one snapshot but {all.Length}; name one of {Some(all)}");
    }

    private static string Complete(string snapshot) => File.Exists(Path.Combine(snapshot, ModelFolder.ConfigFile))
        ? snapshot
        : throw new PeftException($"{Path.Combine(snapshot, ModelFolder.ConfigFile)}: not in the cache's snapshot; fetch the model again");

    private static string Some(string[] folders) => folders.Length == 0
        ? "a folder with config.json"
        : string.Join(", ", folders.Take(5)) + (folders.Length > 5 ? ", …" : "");
}
