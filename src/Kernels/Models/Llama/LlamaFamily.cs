using Peft.Orleans.Kernels.Models.Gated;

namespace Peft.Orleans.Kernels.Models.Llama;

/// <summary>Llama 1, 2 and 3.</summary>
internal sealed class LlamaFamily() : GatedFamily("llama");
