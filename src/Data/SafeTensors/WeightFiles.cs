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
    /// <summary>Names of weights as other programs write them.</summary>
    private static readonly string[] OtherForms =
    [
        "pytorch_model*.bin", "pytorch_model.bin.index.json", "model*.safetensors", "consolidated*", "*.gguf", "tf_model*.h5",
        "flax_model*.msgpack",
    ];

    private const string SingleFile = "model.safetensors";
    private const string HeadName = "lm_head.weight";
    private const string IndexFile = "model.safetensors.index.json";

    // By the names of the causal model: the file, and the name in it.
    private readonly Dictionary<string, (string File, string Stored)> files;
    private readonly Dictionary<string, SafeTensorsHeader> headers = new(StringComparer.Ordinal);
    private readonly Lock gate = new();

    private WeightFiles(string folder, Dictionary<string, string> stored, string prefix)
    {
        Folder = folder;
        // A bare decoder's checkpoint (AutoModel) has its names without what the causal model has before them.
        var bare = prefix.Length > 0 && !stored.Keys.Any(name => name.StartsWith(prefix, StringComparison.Ordinal));
        files = stored.ToDictionary(
            pair => bare && pair.Key != HeadName ? prefix + pair.Key : pair.Key,
            static pair => (pair.Value, pair.Key),
            StringComparer.Ordinal);
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Names of all tensors.</summary>
    public IReadOnlyCollection<string> Names => files.Keys;

    /// <summary>Opens a folder: reads the single file's header, or the index.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="prefix">What the names of the causal model have before those of the bare decoder, <c>model.</c>; where no name has it,
    /// it is put before them.</param>
    /// <exception cref="PeftException">There are no weights, or the index is malformed or stale.</exception>
    public static WeightFiles Open(string folder, string prefix = "")
    {
        if (!Directory.Exists(folder)) throw new PeftException($"{folder}: folder not found; model.path names a Hugging Face folder");
        var single = Path.Combine(folder, SingleFile);
        if (!File.Exists(single))
        {
            var index = Path.Combine(folder, IndexFile);
            return File.Exists(index) ? new WeightFiles(folder, ReadIndex(index), prefix) : throw NoWeights(folder);
        }

        var header = SafeTensorsHeader.Read(single);
        var weights = new WeightFiles(
            folder,
            header.Entries.Keys.ToDictionary(static name => name, static _ => SingleFile, StringComparer.Ordinal),
            prefix
        );
        weights.headers[SingleFile] = header;
        return weights;
    }

    /// <summary>Reads every header: all shards are there and sound, and each tensor is in one of them and no other.</summary>
    /// <exception cref="PeftException">Names the file.</exception>
    public void CheckAll()
    {
        var holders = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (tensor, (file, _)) in files)
        {
            foreach (var stored in Header(file, tensor).Entries.Keys)
            {
                // Which of two is meant depends on who reads: transformers takes the last file, the index says another.
                if (!holders.TryAdd(stored, file) && holders[stored] != file)
                    throw new PeftException(
                        $"{Path.Combine(Folder, IndexFile)}: tensor '{stored}' is in {holders[stored]}, and {file} holds it too; shards of "
                            + "two saves lie in one folder: fetch or save the model again into an empty one"
                    );
            }
        }

        foreach (var tensor in files.Keys) TryFind(tensor, out _, out _);
    }

    /// <summary>
    /// Whether a folder holds weights, those too that <see cref="Open"/> refuses: nobody means a model without any who has them in another
    /// form.
    /// </summary>
    public static bool Exist(string folder) =>
        File.Exists(Path.Combine(folder, IndexFile)) || File.Exists(Path.Combine(folder, SingleFile))
        || (Directory.Exists(folder) && OtherForms.Any(pattern => Directory.EnumerateFiles(folder, pattern).Any()));

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
        if (!files.TryGetValue(tensor, out var place)) return false;
        var header = Header(place.File, tensor);
        // Like transformers, which reads every shard that the index names: a tensor may lie in another than it says.
        if (!header.Entries.ContainsKey(place.Stored))
        {
            header = Shards.Select(other => Header(other, tensor))
                .FirstOrDefault(other => other.Entries.ContainsKey(place.Stored))
                ?? throw new PeftException(
                    $"{header.Path}: tensor '{place.Stored}' is not in this file, although {IndexFile} says so, and in no other; fetch the "
                        + "model again"
                );
        }

        var found = header.Entries[place.Stored];
        path = header.Path;
        entry = found;
        return true;
    }

    private string[] Shards => [.. files.Values.Select(static place => place.File).Distinct(StringComparer.Ordinal)];

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
        var missing = Shards.Where(shard => !File.Exists(Path.Combine(Folder, shard))).ToArray();
        var named = Shards.Length;
        var others = Directory.EnumerateFiles(Folder, "*.safetensors").Select(static path => Path.GetFileName(path)!)
            .Except(Shards, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
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
        var other = OtherForms.Concat(["*.bin", "*.pth", "*.pt", "*.safetensors"])
            .SelectMany(pattern => Directory.EnumerateFiles(folder, pattern))
            .Select(Path.GetFileName)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
        var found = other is null ? "" : $" (there is {other})";
        if (Directory.EnumerateFiles(folder, "pytorch_model*.bin").Any())
            return new PeftException(
                $"{folder}: neither {SingleFile} nor {IndexFile} is there{found}; pickled weights, which can run programs, are not "
                    + "read, and must be converted to safetensors first: python -c \"from transformers import AutoModelForCausalLM as M; "
                    + $"M.from_pretrained('{folder}', dtype='auto').save_pretrained('{folder}-safetensors')\", copy the tokenizer's files, "
                    + "and name that folder"
            );
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
