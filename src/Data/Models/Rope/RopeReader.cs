using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models.Rope;

/// <summary>
/// RoPE as a config.json tells it, in both spellings: <c>rope_parameters</c> with <c>rope_type</c> and <c>rope_theta</c> (transformers 5),
/// <c>rope_theta</c> and <c>rope_scaling</c> with <c>type</c> or <c>rope_type</c> before. Keys that the kind does not read are refused.
/// </summary>
internal static class RopeReader
{
    private const string Newer = "rope_parameters", Older = "rope_scaling", Theta = "rope_theta";

    private static readonly string[] EveryKind = ["rope_type", "type", Theta, "partial_rotary_factor"];

    // A mark that some writers leave: it says how the weights came to be.
    private static readonly string[] Harmless = ["finetuned"];

    /// <summary>Base of the frequencies, and how they are scaled.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="headDim">Elements of a head.</param>
    /// <param name="positions"><c>max_position_embeddings</c>: the original length where none is given.</param>
    /// <exception cref="PeftException">Names file, key and reason.</exception>
    internal static (double Theta, RopeScaling Scaling) Read(ConfigReader config, int headDim, int positions)
    {
        ConfigReader[] sections =
        [
            .. new[] { Newer, Older }.Where(config.IsSet).Select(key => config.Section(key)!),
        ];
        var bases = sections.Prepend(config).Where(static section => section.Has(Theta)).ToArray();
        var theta = bases.Length == 0 ? 10000 : Positive(bases[0], Theta);
        if (bases.FirstOrDefault(section => section.Number(Theta) != theta) is { } other)
            throw other.Refusal(Theta, $"elsewhere in the file it is {theta}; write one of them");
        var scalings = sections.Select(section => Scaling(section, headDim, theta, positions)).ToArray();
        if (scalings.Length == 2 && scalings[0] != scalings[1])
            throw config.Refusal(Older, $"{Newer} says otherwise; write one of them");
        return (theta, scalings.FirstOrDefault() ?? RopeScaling.None);
    }

    private static RopeScaling Scaling(ConfigReader rope, int headDim, double theta, int positions)
    {
        var kind = rope.Text("rope_type") ?? rope.Text("type") ?? "default";
        if (rope.Text("type") is { } older && older != kind) throw rope.Refusal("type", $"rope_type is \"{kind}\"; write one of them");
        switch (kind)
        {
            case "default":
                Only();
                return RopeScaling.None;
            case "linear":
                Only("factor", "original_max_position_embeddings");
                return new RopeScaling(RopeKind.Linear, Positive(rope, "factor"));
            case "llama3":
                Only("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings");
                return Llama3(rope, positions);
            case "yarn":
                Only(
                    "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
                    "truncate");
                return Yarn(rope, theta, positions);
            case "dynamic":
                Only("factor", "original_max_position_embeddings");
                if (rope.PositiveInteger("original_max_position_embeddings", positions) != positions)
                    throw rope.Refusal(
                        "original_max_position_embeddings",
                        $"with RoPE dynamic the original length is max_position_embeddings, {positions}");
                if (headDim <= 2) throw new PeftException($"{rope.File}: RoPE dynamic needs a head_dim above 2; it is {headDim}");
                return new RopeScaling(RopeKind.Dynamic, Positive(rope, "factor"), OriginalMaxPositionEmbeddings: positions);
            default:
                throw new PeftException(
                    $"{rope.File}: RoPE kind {kind} is not supported; supported: default, linear, llama3, yarn, dynamic");
        }

        void Only(params string[] read)
        {
            if (rope.Keys.FirstOrDefault(key => rope.IsSet(key) && !read.Concat(EveryKind).Concat(Harmless).Contains(key)) is { } unread)
                throw rope.Refusal(unread, $"RoPE kind {kind} does not read it; remove it, or name the kind that does");
            if (rope.Number("partial_rotary_factor", 1) != 1)
                throw rope.Refusal("partial_rotary_factor", "only whole heads are turned, 1");
        }
    }

    private static RopeScaling Llama3(ConfigReader rope, int positions)
    {
        var (low, high) = (Positive(rope, "low_freq_factor"), Positive(rope, "high_freq_factor"));
        if (high <= low)
            throw new PeftException($"{rope.File}: high_freq_factor {high} of RoPE llama3 is not above low_freq_factor {low}");
        return new RopeScaling(RopeKind.Llama3, Positive(rope, "factor"), low, high, Original(rope, positions));
    }

    private static RopeScaling Yarn(ConfigReader rope, double theta, int positions)
    {
        if (theta <= 1) throw new PeftException($"{rope.File}: rope_theta is {theta}; RoPE yarn needs one above 1");
        var original = Original(rope, positions);
        var factor = rope.Has("factor") || !rope.Has("original_max_position_embeddings")
            ? Positive(rope, "factor")
            : (double)positions / original;
        var (fast, slow) = (Positive(rope, "beta_fast", 32), Positive(rope, "beta_slow", 1));
        if (fast < slow) throw rope.Refusal("beta_fast", $"it must not be below beta_slow, {slow}");
        // Zero counts as absent, as in the reference.
        var (mscale, all) = (rope.Number("mscale", 0), rope.Number("mscale_all_dim", 0));
        var attention = rope.Has("attention_factor") ? Positive(rope, "attention_factor")
            : mscale != 0 && all != 0 ? Scale(mscale) / Scale(all)
            : Scale(1);
        return new RopeScaling(RopeKind.Yarn, factor, OriginalMaxPositionEmbeddings: original)
        {
            AttentionFactor = attention,
            BetaFast = fast,
            BetaSlow = slow,
            Truncate = rope.Flag("truncate", true),
        };

        double Scale(double m) => factor <= 1 ? 1 : (0.1 * m * Math.Log(factor)) + 1;
    }

    private static int Original(ConfigReader rope, int positions) => rope.PositiveInteger("original_max_position_embeddings", positions);

    private static double Positive(ConfigReader rope, string key, double? absent = null)
    {
        var number = rope.Number(key, absent);
        return number > 0 ? number : throw new PeftException($"{rope.File}: {key} of RoPE is {number}; it must be positive");
    }
}
