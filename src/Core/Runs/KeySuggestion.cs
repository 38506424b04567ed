using System.Text.Json;

namespace Peft.Orleans.Core.Runs;

/// <summary>What a user may have meant by an unknown key or word.</summary>
internal static class KeySuggestion
{
    /// <summary>Names of other tools, with what to write here.</summary>
    private static readonly Dictionary<string, string> Foreign = new(StringComparer.Ordinal)
    {
        ["r"] = "write method.lora.rank",
        ["lora_r"] = "write method.lora.rank",
        ["lora_alpha"] = "write method.lora.alpha",
        ["lora_dropout"] = "write method.lora.dropout",
        ["use_rslora"] = "write method.lora.rslora",
        ["use_dora"] = "write method.lora.dora",
        ["lr"] = "write training.optimizer.learning_rate",
        ["lr_scheduler_type"] = "write training.schedule.name",
        ["batch_size"] = "write training.global_batch",
        ["micro_batch_size"] = "write training.microbatch",
        ["per_device_train_batch_size"] = "write training.microbatch",
        ["gradient_accumulation_steps"] = "write training.global_batch (= microbatch × accumulation)",
        ["num_epochs"] = "write training.epochs",
        ["num_train_epochs"] = "write training.epochs",
        ["max_steps"] = "write training.steps",
        ["warmup"] = "write training.schedule.warmup_steps",
        ["max_seq_length"] = "write data.max_length",
        ["sequence_len"] = "write data.max_length",
        ["base_model"] = "write model.path",
        ["model_name_or_path"] = "write model.path",
        ["torch_dtype"] = "write model.dtype",
        ["dataset"] = "write data.train",
        ["output_dir"] = "write output",
        ["load_in_4bit"] = "write model.dtype: nf4",
        ["gradient_checkpointing"] = "write training.recompute: always",
        ["save_steps"] = "write snapshots.every",
        ["modules_to_save"] = NotImplemented("modules_to_save"),
        ["rank_pattern"] = NotImplemented("rank_pattern"),
        ["alpha_pattern"] = NotImplemented("alpha_pattern"),
        ["layers_to_transform"] = NotImplemented("layers_to_transform"),
        ["layers_pattern"] = NotImplemented("layers_pattern"),
        ["layer_replication"] = NotImplemented("layer_replication"),
        ["exclude_modules"] = NotImplemented("exclude_modules"),
        ["init_lora_weights"] = "remove it; method lora_ga has method.lora_ga.initialization",
        ["fan_in_fan_out"] = NotImplemented("fan_in_fan_out"),
        ["megatron_config"] = NotImplemented("megatron_config"),
        ["loftq_config"] = NotImplemented("loftq_config"),
        ["trainable_token_indices"] = NotImplemented("trainable_token_indices"),
    };

    /// <summary>What to write in place of an unknown key.</summary>
    public static string For(string path, RunSchema schema, JsonElement siblings)
    {
        var prefix = path.Contains('.', StringComparison.Ordinal) ? path[..(path.LastIndexOf('.') + 1)] : "";
        var name = path[prefix.Length..];
        if (Foreign.TryGetValue(name, out var known)) return known;
        var here = siblings.EnumerateObject().Select(static property => property.Name).ToArray();
        if (Nearest(name, here) is { } near)
            return $"did you mean {prefix}{near}?";
        if (schema.Paths.FirstOrDefault(other => other == name || other.EndsWith("." + name, StringComparison.Ordinal)) is { } elsewhere)
            return $"did you mean {elsewhere}?";
        if (Nearest(name, [.. schema.Paths.Select(static other => other[(other.LastIndexOf('.') + 1)..])]) is { } leaf)
            return $"did you mean {schema.Paths.First(other => other == leaf || other.EndsWith("." + leaf, StringComparison.Ordinal))}?";
        return $"write one of {string.Join(", ", here)}";
    }

    /// <summary>The key or word of a run file nearest in spelling; null: none is near enough.</summary>
    public static string? Nearest(string word, IReadOnlyCollection<string> words) =>
        Spelling.Nearest(word.ToLowerInvariant().Replace('-', '_'), words);

    private static string NotImplemented(string key) => $"PEFT's {key} is not implemented; remove it";
}
