using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Kernels.Loops;
using Peft.Orleans.Kernels.Loops.Rows;
using Peft.Orleans.Kernels.Models.Norms;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>
/// Final norm, head and cross-entropy. Only positions with a target are computed, in chunks of tokens whose logits never exist whole; a
/// chunk's gradient is computed while it is hot.
/// </summary>
/// <param name="weight"><c>[vocabulary, hidden]</c>.</param>
/// <param name="norm">The norm before it.</param>
/// <param name="model">Sizes.</param>
internal sealed class LanguageModelHead(BaseTensor weight, Norm norm, ModelDimensions model)
{
    // Logits of a chunk, in elements: 24 MB in bf16. Products with fewer rows read the weight too often.
    private const int ChunkElements = 12 << 20;

    private readonly int chunk = Math.Max(16, ChunkElements / model.Vocabulary / 16 * 16);

    /// <summary>Sum of the token losses and, with a scale, dL/dx <c>[rows, columns, hidden]</c> of the scaled loss.</summary>
    internal HeadResult Loss(LayerVersion version, Tensor x, Microbatch batch, double? scale, Tensor? gradient, bool needsInput)
    {
        using var scope = NewDisposeScope();
        var (positions, targets) = Targets(batch, x.device);
        var count = (int)positions.numel();
        var rows = x.reshape(-1, model.HiddenSize);
        if (count == 0)
            return new HeadResult(
                0,
                0,
                scale is null || !needsInput ? null : zeros(x.shape, x.dtype, x.device).MoveToOuterDisposeScope()
            );

        var picked = rows.index_select(0, positions); // [M, hidden]
        var (statistics, h) = norm.Forward(version, picked);
        var dh = scale is null ? null : empty(h.shape, h.dtype, x.device);
        var weightGradient = scale is null ? null : weight.Gradient(gradient);
        var loss = 0.0;
        for (var start = 0; start < count; start += chunk)
        {
            using var inner = NewDisposeScope();
            var length = Math.Min(chunk, count - start);
            var part = h.narrow(0, start, length);
            var (sum, typed) = CrossEntropy(version, part, targets.narrow(0, start, length), scale is not null);
            loss += sum;
            if (scale is null) continue;
            // The scale is applied to the smaller results.
            dh!.narrow(0, start, length).copy_(weight.InputGradient(version, typed!).mul_(Held(scale.Value)));
            if (weightGradient is null) continue;
            if (h.dtype == ScalarType.Float32) weightGradient.addmm_(typed!.t(), part, alpha: (float)scale.Value);
            else weightGradient.add_(typed!.t().mm(part), Held(scale.Value));
        }

        if (scale is null) return new HeadResult(loss, count, null);
        if (!needsInput && (gradient is null || !norm.Trains)) return new HeadResult(loss, count, null);
        var dPicked = norm.Backward(version, dh!, picked, statistics, gradient);
        if (!needsInput) return new HeadResult(loss, count, null);
        var dx = zeros(rows.shape, x.dtype, x.device);
        dx.index_copy_(0, positions, dPicked);
        return new HeadResult(loss, count, dx.view(x.shape).MoveToOuterDisposeScope());
    }

    /// <summary>For each row: sum of its targets' log-probabilities, their number, and whether each is the most likely token.</summary>
    internal IReadOnlyList<(double LogLikelihood, int Tokens, bool IsGreedy)> Score(LayerVersion version, Tensor x, Microbatch batch)
    {
        using var scope = NewDisposeScope();
        var result = Enumerable.Repeat((LogLikelihood: 0.0, Tokens: 0, IsGreedy: true), batch.Rows).ToArray();
        var (positions, targets) = Targets(batch, x.device);
        var places = positions.cpu().data<long>().ToArray();
        var h = Normalised(version, x.reshape(-1, model.HiddenSize).index_select(0, positions));
        for (var start = 0; start < places.Length; start += chunk)
        {
            using var inner = NewDisposeScope();
            var length = Math.Min(chunk, places.Length - start);
            var target = targets.narrow(0, start, length).unsqueeze(1);
            var logProbabilities = LogProbabilities(version, h.narrow(0, start, length));
            var values = logProbabilities.gather(1, target).cpu().view(-1).data<float>().ToArray();
            var greedy = logProbabilities.argmax(1, keepdim: true).eq(target).cpu().view(-1).data<bool>().ToArray();
            for (var i = 0; i < length; i++)
            {
                ref var row = ref result[places[start + i] / batch.Columns];
                row = (row.LogLikelihood + values[i], row.Tokens + 1, row.IsGreedy && greedy[i]);
            }
        }

        return result;
    }

    /// <summary>fp32 logits of each row's last position, <c>[rows, vocabulary]</c>.</summary>
    internal Tensor LastLogits(LayerVersion version, Tensor x)
    {
        using var scope = NewDisposeScope();
        var last = x.narrow(1, x.shape[1] - 1, 1).reshape(-1, model.HiddenSize);
        return weight.Product(version, Normalised(version, last)).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The sum of a chunk's token losses and, where asked for, dL/dlogits = softmax − one-hot in the type of h.</summary>
    private (double Loss, Tensor? Gradient) CrossEntropy(LayerVersion version, Tensor h, Tensor targets, bool gradient)
    {
        var logits = weight.Product(version, h); // [C, vocabulary]
        if (Lanes.Fit(logits, logits.shape[1])) return (CrossEntropyLoops.Loss(logits, targets, gradient), gradient ? logits : null);
        var target = targets.unsqueeze(1);
        var logProbabilities = logits.to(ScalarType.Float32).log_softmax(-1);
        var loss = -logProbabilities.gather(1, target).to(ScalarType.Float64).sum().item<double>();
        if (!gradient) return (loss, null);
        var dLogits = logProbabilities.exp_();
        dLogits.scatter_add_(1, target, full(target.shape, Held(-1), ScalarType.Float32, h.device));
        return (loss, dLogits.to(h.dtype));
    }

    private Tensor LogProbabilities(LayerVersion version, Tensor h) => weight.Product(version, h).to(ScalarType.Float32).log_softmax(-1);

    private Tensor Normalised(LayerVersion version, Tensor rows) => norm.Forward(version, rows).Rows;

    private static (Tensor Positions, Tensor Targets) Targets(Microbatch batch, Device device)
    {
        var all = batch.Targets();
        var positions = new List<long>();
        var targets = new List<long>();
        for (var i = 0; i < all.Length; i++)
        {
            if (all[i] == Microbatch.Masked) continue;
            positions.Add(i);
            targets.Add(all[i]);
        }

        return (tensor(positions.ToArray(), int64, device: device), tensor(targets.ToArray(), int64, device: device));
    }
}
