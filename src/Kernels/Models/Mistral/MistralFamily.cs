using Peft.Orleans.Kernels.Models.Gated;

namespace Peft.Orleans.Kernels.Models.Mistral;

/// <summary>Mistral: gated blocks, with a sliding window where the configuration has one.</summary>
internal sealed class MistralFamily() : GatedFamily("mistral");
