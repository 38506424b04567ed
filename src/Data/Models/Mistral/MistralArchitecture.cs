using Peft.Orleans.Data.Models.Gated;

namespace Peft.Orleans.Data.Models.Mistral;

/// <summary>Mistral: Llama without biases, whose positions see a window of those before them where the configuration says so.</summary>
internal sealed class MistralArchitecture : GatedArchitecture
{
    public override string Family => "mistral";

    public override string Architecture => "MistralForCausalLM";

    protected override IReadOnlyList<string> OwnKeys => ["sliding_window"];

    protected override int? DefaultKeyValueHeads => 8;

    protected override int DefaultPositions => 4096 * 32;

    // Absent means the default, null none.
    protected override GatedConfig Own(ConfigReader config, GatedConfig common) => common with
    {
        SlidingWindow = config.Keys.Contains("sliding_window") && !config.Has("sliding_window")
            ? null
            : config.PositiveInteger("sliding_window", 4096),
    };
}
