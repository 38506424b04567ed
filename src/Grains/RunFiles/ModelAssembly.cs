using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>Puts a Hugging Face model folder together from files of one layer each.</summary>
internal static class ModelAssembly
{
    /// <summary>Moves the parts under their final names, writes the index, and returns the sha256 over the shards in order.</summary>
    internal static string Assemble(string parts, string folder)
    {
        var files = Directory.EnumerateFiles(parts, "*.safetensors").Order(StringComparer.Ordinal).ToArray();
        var weights = new SortedDictionary<string, string>(StringComparer.Ordinal);
        long total = 0;
        var targets = new string[files.Length];
        for (var i = 0; i < files.Length; i++)
        {
            var name = $"model-{i + 1:D5}-of-{files.Length:D5}.safetensors";
            var header = SafeTensorsHeader.Read(files[i]);
            foreach (var entry in header.Entries.Values)
            {
                weights[entry.Name] = name;
                total += entry.Bytes;
            }

            targets[i] = Path.Combine(folder, name);
            File.Move(files[i], targets[i], overwrite: true);
        }

        var index = new JsonObject
        {
            ["metadata"] = new JsonObject { ["total_size"] = total },
            ["weight_map"] = new JsonObject(weights.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
        };
        File.WriteAllText(
            Path.Combine(folder, "model.safetensors.index.json"),
            index.ToJsonString(new JsonSerializerOptions { WriteIndented = true })
        );
        return FileHash.Of(targets);
    }
}
