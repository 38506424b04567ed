using System.Globalization;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Chaos;

/// <summary>A hybrid run of the embedded model whose steps are long enough, and many enough, for the events to fit.</summary>
internal static class BuiltInRun
{
    private const int StepsPerEvent = 8;

    internal static string Write(ChaosOptions options)
    {
        var examples = Path.Combine(Repository.Root, "examples");
        if (!Directory.Exists(examples))
            throw new ChaosException("the repository's examples are not found; call from inside it, or give a run file with -f");
        var steps = Math.Max(20, options.Events * StepsPerEvent);
        Directory.CreateDirectory(options.Work);
        var path = Path.Combine(options.Work, string.Create(CultureInfo.InvariantCulture, $"chaos-{steps}.yaml"));
        File.WriteAllText(path, string.Create(CultureInfo.InvariantCulture, $$"""
            name: chaos
            seed: 3
            model: { path: {{Path.Combine(examples, "tiny-llama")}} }
            data:
              train: { path: {{Path.Combine(examples, "problems", "train.jsonl")}}, format: completion }
              max_length: 160
            method: { name: hybrid, lora: { rank: 8, alpha: 16 }, lora_ga: { gradient_samples: 4 } }
            training:
              steps: {{steps}}
              global_batch: 40
              microbatch: 8
              optimizer: { name: adamw, learning_rate: 1.0e-3 }
            snapshots: { every: 20 }
            compute: { threads_per_silo: 1 }
            output: .

            """));
        return path;
    }
}
