using Peft.Orleans.Core.Batches;
using Peft.Orleans.Kernels.Versions;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>The first role of a pass: token ids become rows.</summary>
public interface IEmbedding
{
    /// <summary>ids → <c>[rows, columns, hidden]</c> in the compute type.</summary>
    /// <exception cref="Core.PeftException">An id is outside the model's vocabulary.</exception>
    Tensor Embed(LayerVersion version, Microbatch batch);

    /// <summary>
    /// Adds the gradient for <paramref name="dx"/> to <paramref name="gradient"/>, flat fp32; nothing where the embedding is frozen.
    /// </summary>
    void EmbedBackward(LayerVersion version, Microbatch batch, Tensor dx, Tensor gradient);
}
