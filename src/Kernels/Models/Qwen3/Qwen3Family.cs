using Peft.Orleans.Kernels.Models.Gated;

namespace Peft.Orleans.Kernels.Models.Qwen3;

/// <summary>Qwen3: gated blocks whose queries and keys have norms.</summary>
internal sealed class Qwen3Family() : GatedFamily("qwen3");
