using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Models;

/// <summary>A family of models as its <c>config.json</c> tells it. One line of <see cref="ModelFamilies"/> registers it.</summary>
public abstract class ModelArchitecture
{
    /// <summary><c>model_type</c> of its configurations: <c>llama</c>.</summary>
    public abstract string Family { get; }

    /// <summary>
    /// The entry of <c>architectures</c> it computes: <c>LlamaForCausalLM</c>. Others of the same <c>model_type</c> are refused.
    /// </summary>
    public abstract string Architecture { get; }

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="PeftException">Names file, key and reason: what is absent, impossible, or not computed by this version.</exception>
    public abstract ModelDescription Describe(ConfigReader config);
}
