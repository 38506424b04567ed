using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Models;

/// <summary>
/// The tiny model in float64, dense and naive, one sample at a time, with autograd: the reference beside the hand-written kernels.
/// <paramref name="effective"/> gives the weight of a linear module, adapter included.
/// </summary>
internal sealed class ReferenceModel(IReadOnlyDictionary<string, Tensor> weights, Func<string, Tensor> effective, bool tied)
{
    /// <summary>Sum of the token losses of samples, targets being the next tokens from <paramref name="firstTarget"/> on.</summary>
    internal Tensor LossSum(IEnumerable<int[]> samples, int firstTarget = 1)
    {
        var total = zeros(1, float64);
        foreach (var sample in samples)
        {
            var logProbabilities = Logits(sample).log_softmax(-1);
            var targets = tensor(sample.Skip(firstTarget).Select(static id => (long)id).ToArray(), int64).unsqueeze(1);
            total = total - logProbabilities.narrow(0, firstTarget - 1, sample.Length - firstTarget).gather(1, targets).sum();
        }

        return total;
    }

    internal Tensor Logits(int[] sample)
    {
        var x = weights["model.embed_tokens.weight"].index_select(0, tensor(sample.Select(static id => (long)id).ToArray(), int64));
        for (var layer = 0; layer < TinyModel.Layers; layer++)
        {
            var prefix = $"model.layers.{layer}";
            var h = Norm(x, $"{prefix}.input_layernorm");
            x = x + Linear($"{prefix}.self_attn.o_proj", Attention(
                Heads($"{prefix}.self_attn.q", h), Heads($"{prefix}.self_attn.k", h), Linear($"{prefix}.self_attn.v_proj", h)));
            h = Norm(x, $"{prefix}.post_attention_layernorm");
            var gate = Linear($"{prefix}.mlp.gate_proj", h);
            x = x + Linear($"{prefix}.mlp.down_proj", gate * gate.sigmoid() * Linear($"{prefix}.mlp.up_proj", h));
        }

        return Norm(x, "model.norm").mm(weights[tied ? "model.embed_tokens.weight" : "lm_head.weight"].t());
    }

    /// <summary>Queries or keys; each head's is normed by itself where the model has a norm for it (Qwen3).</summary>
    private Tensor Heads(string name, Tensor x)
    {
        var y = Linear($"{name}_proj", x);
        if (!weights.ContainsKey($"{name}_norm.weight")) return y;
        return Norm(y.reshape(-1, TinyModel.HeadDim), $"{name}_norm").reshape(y.shape);
    }

    /// <summary>RMSNorm, or LayerNorm where the norm has a shift.</summary>
    private Tensor Norm(Tensor x, string name)
    {
        var (weight, shift) = (weights[$"{name}.weight"], weights.GetValueOrDefault($"{name}.bias"));
        var centred = shift is null ? x : x - x.mean([-1], true);
        var scaled = centred * (centred.square().mean([-1], true) + 1e-5).rsqrt() * weight;
        return shift is null ? scaled : scaled + shift;
    }

    private Tensor Linear(string module, Tensor x)
    {
        var y = x.mm(effective(module).t());
        return weights.TryGetValue($"{module}.bias", out var bias) ? y + bias : y;
    }

    private static Tensor Attention(Tensor q, Tensor k, Tensor v)
    {
        var length = q.shape[0];
        var outputs = new List<Tensor>();
        for (var head = 0; head < TinyModel.Heads; head++)
        {
            var shared = head / (TinyModel.Heads / TinyModel.KeyHeads);
            Tensor Cut(Tensor t, int index) => t.narrow(1, index * TinyModel.HeadDim, TinyModel.HeadDim);
            var scores = Rotate(Cut(q, head)).mm(Rotate(Cut(k, shared)).t()) / Math.Sqrt(TinyModel.HeadDim);
            var mask = full([length, length], double.NegativeInfinity, float64).triu(1);
            outputs.Add((scores + mask).softmax(-1).mm(Cut(v, shared)));
        }

        return cat(outputs.ToArray(), 1);
    }

    private static Tensor Rotate(Tensor x)
    {
        const int Half = TinyModel.HeadDim / 2;
        var angles = new double[x.shape[0] * Half];
        for (var p = 0; p < x.shape[0]; p++)
            for (var i = 0; i < Half; i++) angles[(p * Half) + i] = p / Math.Pow(10000, 2.0 * i / TinyModel.HeadDim);
        var angle = tensor(angles, [x.shape[0], Half], dtype: float64);
        var (first, second) = (x.narrow(1, 0, Half), x.narrow(1, Half, Half));
        return cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], 1);
    }
}
