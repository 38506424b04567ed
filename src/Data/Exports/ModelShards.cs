using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Exports;

/// <summary>
/// Weights as a Hugging Face folder has them: <c>model.safetensors</c>, or shards <c>model-00001-of-0000N.safetensors</c> with an index
/// where one file would be too large. Tensors are streamed, never held.
/// </summary>
public static class ModelShards
{
    /// <summary>Bytes of tensors in a shard at most, as on the Hub; a tensor that is larger has a shard of its own.</summary>
    public const long LargestShard = 5_000_000_000;

    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes tensors, in the order of the model, into a folder without weights.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tensors">All tensors; each is written once, in this order by shard.</param>
    /// <param name="limit">Bytes of tensors in a shard at most.</param>
    /// <param name="written">Called when a shard is complete, with its tensors.</param>
    /// <returns>The files in order.</returns>
    /// <exception cref="Core.PeftException">A file cannot be written.</exception>
    public static IReadOnlyList<string> Write(
        string folder,
        IReadOnlyList<SafeTensorsTensor> tensors,
        long limit = LargestShard,
        Action<IReadOnlyList<SafeTensorsTensor>>? written = null)
    {
        var shards = Split(tensors, limit);
        var files = new List<string>(shards.Count);
        var map = new SortedDictionary<string, JsonNode?>(StringComparer.Ordinal);
        foreach (var shard in shards)
        {
            var name = shards.Count == 1 ? SingleFile : $"model-{files.Count + 1:D5}-of-{shards.Count:D5}.safetensors";
            files.Add(Path.Combine(folder, name));
            SafeTensorsWriter.Write(files[^1], shard);
            foreach (var tensor in shard) map[tensor.Name] = name;
            written?.Invoke(shard);
        }

        if (shards.Count == 1) return files;
        var index = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = tensors.Sum(static tensor => tensor.Bytes) },
            ["weight_map"] = new JsonObject(map),
        };
        File.WriteAllText(Path.Combine(folder, IndexFile), index.ToJsonString(Indented) + "\n");
        return files;
    }

    /// <summary>
    /// Puts a folder's weights together from files of one layer each, in the order of their names; each is deleted as soon as nothing of it
    /// is still to be written, so that little lies on the disk twice.
    /// </summary>
    /// <returns>The files in order.</returns>
    public static IReadOnlyList<string> Assemble(string parts, string folder, long limit = LargestShard)
    {
        var fileOf = new Dictionary<string, string>(StringComparer.Ordinal);
        var tensors = new List<SafeTensorsTensor>();
        var waiting = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var file in Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal))
        {
            var header = SafeTensorsHeader.Read(file);
            waiting[file] = header.Entries.Count;
            foreach (var entry in header.Entries.Values)
            {
                fileOf[entry.Name] = file;
                tensors.Add(new SafeTensorsTensor(entry.Name, entry.Type, entry.Shape, stream => header.CopyTo(entry, stream)));
            }
        }

        return Write(folder, tensors, limit, shard =>
        {
            foreach (var tensor in shard)
            {
                var file = fileOf[tensor.Name];
                if (--waiting[file] == 0) File.Delete(file);
            }
        });
    }

    private static List<List<SafeTensorsTensor>> Split(IReadOnlyList<SafeTensorsTensor> tensors, long limit)
    {
        var shards = new List<List<SafeTensorsTensor>> { new() };
        var bytes = 0L;
        foreach (var tensor in tensors)
        {
            if (shards[^1].Count > 0 && bytes + tensor.Bytes > limit)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += tensor.Bytes;
        }

        return shards;
    }
}
