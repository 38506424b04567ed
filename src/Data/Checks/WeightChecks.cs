using System.Text.RegularExpressions;
using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Checks;

/// <summary>
/// What the headers of weight files tell before any weight is read: every tensor of the model is there, in its shape, in a type that is
/// read.
/// </summary>
public static partial class WeightChecks
{
    private static readonly SafeTensorsType[] Read = [SafeTensorsType.F32, SafeTensorsType.BF16, SafeTensorsType.F16, SafeTensorsType.F64];

    /// <summary>Checks a folder's weights against its config.json.</summary>
    /// <exception cref="PeftException">Names file and tensor, and what to do.</exception>
    public static void Check(ModelFolder model)
    {
        var weights = model.Weights;
        weights.CheckAll();
        var known = new HashSet<string>(StringComparer.Ordinal);
        for (var layer = 0; layer < model.LayerCount; layer++)
        {
            foreach (var tensor in model.Tensors(layer)) Require(tensor.Name, tensor.Shape);
            foreach (var linear in model.Linears(layer))
            {
                Require(linear.WeightName, [linear.Out, linear.In]);
                if (linear.HasBias) Require(linear.BiasName, [linear.Out]);
            }
        }

        if (
            weights
                .Names.Where(name => !known.Contains(name) && !MeansNothing(name, model))
                .Order(StringComparer.Ordinal)
                .FirstOrDefault()
                is { } other
            && weights.TryFind(other, out var file, out _)
        )
            throw new PeftException(
                $"{file}: tensor '{other}' has no place in the model that config.json describes, and would be dropped; {Remedy(other)}"
            );

        void Require(string name, long[] shape)
        {
            if (!known.Add(name)) return;
            if (!weights.TryFind(name, out var path, out var entry)) throw Missing(model, name);
            if (!entry.Shape.AsSpan().SequenceEqual(shape))
            {
                var sizes = model.KindOf(name) is TensorKind.Embedding or TensorKind.Head ? " (vocab_size, hidden_size)" : "";
                throw new PeftException(
                    $"{path}: tensor '{name}' has shape [{string.Join(", ", entry.Shape)}], but config.json asks for "
                        + $"[{string.Join(", ", shape)}]{sizes}; the two files do not belong together"
                );
            }

            if (!Read.Contains(entry.Type))
                throw new PeftException(
                    $"{path}: tensor '{name}' is stored as {entry.Type.HeaderName()}; weights are read from F32, BF16, F16 and F64: save "
                        + "the model in one of them"
                );
        }
    }

    private static PeftException Missing(ModelFolder model, string name)
    {
        var hint =
            name == "lm_head.weight" ? "; if the head is the embedding's weight, config.json says so by \"tie_word_embeddings\": true"
            : model.Weights.Names.FirstOrDefault(other =>
                other.EndsWith("." + name, StringComparison.Ordinal) || name.EndsWith("." + other, StringComparison.Ordinal)
            )
                is { } alike
                ? $" (there is '{alike}')"
            : "";
        return new PeftException(
            $"{model.Path}: there is no tensor '{name}'; the folder does not hold the model its config.json describes{hint}"
        );
    }

    // Buffers that are computed, a head that is the embedding, and blocks beyond num_hidden_layers, by which people cut a model short.
    private static bool MeansNothing(string name, ModelFolder model) =>
        name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)
        || (name == "lm_head.weight" && model.Dimensions.Tied)
        || (
            BlockNumber().Match(name) is { Success: true } block
            && (!int.TryParse(block.Groups[1].Value, out var number) || number >= model.LayerCount - 2)
        );

    private static string Remedy(string name) =>
        name.EndsWith(".bias", StringComparison.Ordinal) ? "config.json lacks attention_bias or mlp_bias, or is another model's"
        : name.Contains(".lora_", StringComparison.Ordinal) || name.Contains(".base_layer.", StringComparison.Ordinal)
            ? "it is an adapter's: merge it first (PEFT's merge_and_unload), or save the base alone"
        : "save the model without it, or give the config.json that belongs to it";

    [GeneratedRegex(@"^model\.layers\.(\d+)\.")]
    private static partial Regex BlockNumber();
}
