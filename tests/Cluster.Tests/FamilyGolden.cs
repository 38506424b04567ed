using System.Text.Json;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Cluster.Tests;

/// <summary>A reference model: folders with its two configurations, its rows as lines of tokens, and what is expected.</summary>
internal sealed class FamilyGolden : IDisposable
{
    internal FamilyGolden(string name)
    {
        var source = SharedFolder.Require("goldens/" + name);
        Newer = Folder("newer", "config.json");
        Older = Folder("older", "config-older.json");
        var reference = GoldenRun.Tensors(Path.Combine(source, "reference.safetensors"));
        var (shape, ids) = reference["input_ids"];
        var labels = reference["labels"].Values;
        (RowCount, var length) = ((int)shape[0], (int)shape[1]);
        Rows = Workspace.Write("rows.jsonl", string.Concat(Enumerable.Range(0, RowCount).Select(row =>
        {
            var range = new Range(row * length, (row + 1) * length);
            return JsonSerializer.Serialize(new { input_ids = Integers(ids[range]), labels = Integers(labels[range]) }) + "\n";
        })));
        Loss = reference["loss"].Values[0];
        GradientNorm = Math.Sqrt(reference.Where(static pair => pair.Key.StartsWith("grad.", StringComparison.Ordinal))
            .Sum(static pair => pair.Value.Values.Sum(static value => (double)value * value)));
        using var greedy = JsonDocument.Parse(File.ReadAllText(Path.Combine(source, "greedy.json")));
        (Prompt, Greedy) = (List("prompt"), List("greedy"));

        int[] List(string key) => [.. greedy.RootElement.GetProperty(key).EnumerateArray().Select(static id => id.GetInt32())];

        string Folder(string folder, string configuration)
        {
            var path = Path.Combine(Workspace.Folder, folder);
            Directory.CreateDirectory(path);
            File.Copy(Path.Combine(source, configuration), Path.Combine(path, "config.json"));
            // As in the cache of the Hub.
            File.CreateSymbolicLink(Path.Combine(path, "model.safetensors"), Path.Combine(source, "model.safetensors"));
            return path;
        }
    }

    internal Workspace Workspace { get; } = new();

    /// <summary>The model by its configuration as transformers 5 writes it.</summary>
    internal string Newer { get; }

    /// <summary>The model by its configuration as releases before wrote it.</summary>
    internal string Older { get; }

    /// <summary>The file of rows, in format tokens.</summary>
    internal string Rows { get; }

    internal int RowCount { get; }

    internal double Loss { get; }

    /// <summary>Of all weights.</summary>
    internal double GradientNorm { get; }

    internal int[] Prompt { get; }

    internal int[] Greedy { get; }

    public void Dispose() => Workspace.Dispose();

    private static int[] Integers(float[] values) => Array.ConvertAll(values, static value => (int)value);
}
