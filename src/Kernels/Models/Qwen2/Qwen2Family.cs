using Peft.Orleans.Kernels.Models.Gated;

namespace Peft.Orleans.Kernels.Models.Qwen2;

/// <summary>Qwen2 and Qwen2.5: gated blocks with biases on q, k and v.</summary>
internal sealed class Qwen2Family() : GatedFamily("qwen2");
