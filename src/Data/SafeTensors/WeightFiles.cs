using System.Text.Json;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Files;

namespace Peft.Orleans.Data.SafeTensors;

/// <summary>
/// The weights of a Hugging Face folder: <c>model.safetensors</c>, or the shards of <c>model.safetensors.index.json</c>. Where both lie
/// side by side the single file is taken, as transformers does: the index is left from another save. Headers of shards are read when a
/// tensor in them is asked for, so a silo opens only the files its layers need. Safe to use from several threads.
/// </summary>
public sealed class WeightFiles
{
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private readonly Dictionary<string, string> files;
    private readonly Dictionary<string, SafeTensorsHeader> headers = new(StringComparer.Ordinal);
    private readonly Lock gate = new();

    private WeightFiles(string folder, Dictionary<string, string> files)
    {
        Folder = folder;
        this.files = files;
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => files.Keys;

    /// <summary>Opens a folder: reads the single file's header, or the index.</summary>
    /// <exception cref="PeftException">There are no weights, or the index is malformed or stale.</exception>
    public static WeightFiles Open(string folder)
    {
        if (!Directory.Exists(folder)) throw new PeftException($"{folder}: folder not found; model.path names a Hugging Face folder");
        var single = Path.Combine(folder, SingleFile);
        if (!File.Exists(single))
        {
            var index = Path.Combine(folder, IndexFile);
            return File.Exists(index) ? new WeightFiles(folder, ReadIndex(index)) : throw NoWeights(folder);
        }

        var header = SafeTensorsHeader.Read(single);
        var weights = new WeightFiles(
            folder,
            header.Entries.Keys.ToDictionary(static name => name, static _ => SingleFile, StringComparer.Ordinal)
        );
        weights.headers[SingleFile] = header;
        return weights;
    }

    /// <summary>Reads every header: all shards are there and sound, each tensor is where the index says, and nowhere else.</summary>
    /// <exception cref="PeftException">Names the file.</exception>
    public void CheckAll()
    {
        var holders = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (tensor, file) in files)
        {
            TryFind(tensor, out _, out _);
            if (!holders.TryAdd(tensor, file)) continue;
            foreach (var other in Header(file, tensor).Entries.Keys)
            {
                // Which of two is meant depends on who reads: transformers takes the last file, the index says another.
                if (files.TryGetValue(other, out var named) && named != file)
                    throw new PeftException(
                        $"{Path.Combine(Folder, IndexFile)}: tensor '{other}' is said to be in {named}, and {file} holds it too; "
                            + "shards of two saves lie in one folder: fetch or save the model again into an empty one"
                    );
            }
        }
    }

    /// <summary>Whether a folder holds weights that <see cref="Open"/> can open.</summary>
    public static bool Exist(string folder) =>
        File.Exists(Path.Combine(folder, IndexFile)) || File.Exists(Path.Combine(folder, SingleFile));

    /// <summary>Finds a tensor; reads the header of its file at the first such question.</summary>
    /// <param name="tensor">Hugging Face name.</param>
    /// <param name="path">The file that holds it.</param>
    /// <param name="entry">Where it lies in that file.</param>
    /// <returns>False if the model has no such tensor.</returns>
    /// <exception cref="PeftException">The index names a file that is absent or does not hold the tensor.</exception>
    public bool TryFind(string tensor, out string path, out SafeTensorsEntry entry)
    {
        path = "";
        entry = null!;
        if (!files.TryGetValue(tensor, out var file)) return false;
        var header = Header(file, tensor);
        if (!header.Entries.TryGetValue(tensor, out var found))
            throw new PeftException(
                $"{header.Path}: tensor '{tensor}' is not in this file, although {IndexFile} says so; fetch the model again"
            );
        path = header.Path;
        entry = found;
        return true;
    }

    private SafeTensorsHeader Header(string file, string tensor)
    {
        lock (gate)
        {
            if (headers.TryGetValue(file, out var header)) return header;
            var path = Path.Combine(Folder, file);
            if (!File.Exists(path)) throw MissingShard(file, tensor);
            return headers[file] = SafeTensorsHeader.Read(path);
        }
    }

    private PeftException MissingShard(string file, string tensor)
    {
        var index = Path.Combine(Folder, IndexFile);
        var missing = files.Values.Distinct(StringComparer.Ordinal).Where(shard => !File.Exists(Path.Combine(Folder, shard))).ToArray();
        var named = files.Values.Distinct(StringComparer.Ordinal).Count();
        var others = Directory.EnumerateFiles(Folder, "*.safetensors").Select(static path => Path.GetFileName(path)!)
            .Where(name => !files.ContainsValue(name)).Order(StringComparer.Ordinal).ToArray();
        if (missing.Length < named)
            return new PeftException(
                $"{Path.Combine(Folder, file)}: file not found, although {index} names it for tensor '{tensor}'; fetch the missing shard"
            );
        var remedy =
            others.Length == 0
                ? "fetch the shards, or delete the index and put model.safetensors into the folder"
                : $"the folder holds {string.Join(", ", others.Take(3))}{(others.Length > 3 ? ", …" : "")} instead: the index is left from "
                    + "another save; "
                    + (others.Length == 1 ? $"delete it and rename {others[0]} to {SingleFile}" : "fetch the index that belongs to them");
        return new PeftException(
            $"{index}: none of the {named} shards it names is there ({string.Join(", ", missing.Take(3))}{(named > 3 ? ", …" : "")}); "
                + $"{remedy}"
        );
    }

    private static PeftException NoWeights(string folder)
    {
        var other = new[] { "*.bin", "*.gguf", "*.pth", "*.pt", "*.safetensors" }
            .SelectMany(pattern => Directory.EnumerateFiles(folder, pattern))
            .Select(Path.GetFileName)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
        var found = other is null ? "" : $" (there is {other})";
        return new PeftException(
            $"{folder}: neither {SingleFile} nor {IndexFile} is there{found}; weights in other formats must be converted to safetensors "
                + "first, "
                + "for example with AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)"
        );
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!JsonText.ReadObject(path, "").TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
            throw new PeftException($"{path}: there is no object 'weight_map'");
        foreach (var item in map.EnumerateObject())
        {
            var file = item.Value.ValueKind == JsonValueKind.String ? item.Value.GetString()! : "";
            // A shard lies beside its index; anything else would let a model folder reach out of itself.
            if (file.Length == 0 || file != Path.GetFileName(file) || file is "." or ".." || file.Contains('\0', StringComparison.Ordinal))
                throw new PeftException($"{path}: weight_map['{item.Name}'] is {item.Value.GetRawText()}, which is no file name");
            files[item.Name] = file;
        }

        if (files.Count == 0) throw new PeftException($"{path}: weight_map is empty");
        return files;
    }
}
