using Peft.Orleans.Core;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Checks;

/// <summary>
/// What the headers of weight files tell before any weight is read: every tensor of the model is there, in its shape, in a type that is
/// read.
/// </summary>
public static class WeightChecks
{
    private const string HeadName = "lm_head.weight";

    private static readonly SafeTensorsType[] Read = [SafeTensorsType.F32, SafeTensorsType.BF16, SafeTensorsType.F16, SafeTensorsType.F64];

    /// <summary>Checks a folder's weights against its config.json.</summary>
    /// <exception cref="PeftException">Names file and tensor, and what to do.</exception>
    public static void Check(ModelFolder model)
    {
        var weights = model.Weights;
        weights.CheckAll();
        RequireOneHead(model);
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
            name == HeadName ? "; if the head is the embedding's weight, config.json says so by \"tie_word_embeddings\": true"
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
    private static readonly string[] Buffers = [".rotary_emb.inv_freq", ".masked_bias"];

    private static bool MeansNothing(string name, ModelFolder model) =>
        Buffers.Any(buffer => name.EndsWith(buffer, StringComparison.Ordinal))
        || (name == HeadName && model.Dimensions.Tied)
        || IsBeyondTheLastBlock(name, model);

    private static bool IsBeyondTheLastBlock(string name, ModelFolder model)
    {
        var container = model.Dimensions.BlockPrefix;
        if (!name.StartsWith(container, StringComparison.Ordinal)) return false;
        var number = name[container.Length..].Split('.')[0];
        return number.All(char.IsAsciiDigit) && (!int.TryParse(number, out var block) || block >= model.Dimensions.Blocks);
    }

    /// <summary>
    /// A head beside an embedding that it is said to be: releases of transformers take one or the other, so they must be the same.
    /// </summary>
    private static void RequireOneHead(ModelFolder model)
    {
        var embedding = model.Tensors(0)[0].Name;
        if (!model.Dimensions.Tied || !model.Weights.TryFind(HeadName, out var file, out var head)) return;
        if (!model.Weights.TryFind(embedding, out var path, out var words)) return;
        if (words.Type == head.Type && SameBytes(path, words, file, head)) return;
        throw new PeftException(
            $"{file}: '{HeadName}' is not '{embedding}', although config.json says so by tie_word_embeddings; releases of transformers "
                + "differ in which they take: write \"tie_word_embeddings\": false into config.json to use the head, or save the model "
                + "without it"
        );
    }

    private static bool SameBytes(string path, SafeTensorsEntry entry, string otherPath, SafeTensorsEntry other)
    {
        if (entry.Bytes != other.Bytes) return false;
        const int Piece = 1 << 20;
        using var one = File.OpenHandle(path);
        using var two = File.OpenHandle(otherPath);
        var (left, right) = (new byte[Piece], new byte[Piece]);
        for (var done = 0L; done < entry.Bytes; done += Piece)
        {
            var count = (int)Math.Min(Piece, entry.Bytes - done);
            var read = Math.Min(Fill(one, left, entry.Offset + done, count), Fill(two, right, other.Offset + done, count));
            if (read < count || !left.AsSpan(0, count).SequenceEqual(right.AsSpan(0, count))) return false;
        }

        return true;

        static int Fill(Microsoft.Win32.SafeHandles.SafeFileHandle file, byte[] buffer, long offset, int count)
        {
            var filled = 0;
            while (filled < count && RandomAccess.Read(file, buffer.AsSpan(filled, count - filled), offset + filled) is > 0 and var read)
                filled += read;
            return filled;
        }
    }

    private static string Remedy(string name) =>
        name.EndsWith(".bias", StringComparison.Ordinal) ? "config.json lacks attention_bias or mlp_bias, or is another model's"
        : name.Contains(".lora_", StringComparison.Ordinal) || name.Contains(".base_layer.", StringComparison.Ordinal)
            ? "it is an adapter's: merge it first (PEFT's merge_and_unload), or save the base alone"
        : "save the model without it, or give the config.json that belongs to it";

}
