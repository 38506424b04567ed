using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static Peft.Orleans.Kernels.Torch.Scalars;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>The optimizer over a layer's flat buffers: copies the current version into the next and updates it in place there.</summary>
internal sealed class FlatOptimizer
{
    private readonly OptimizerSpec options;
    private readonly List<(long Start, long Count, bool Decays, ParameterGroup Group, double EpsilonFactor)> ranges = [];

    internal FlatOptimizer(OptimizerSpec options, ParameterLayout layout)
    {
        this.options = options;
        for (var i = 0; i < layout.Trainable.Count; i++)
        {
            var slot = layout.Trainable[i];
            var end = i + 1 < layout.Trainable.Count ? layout.Trainable[i + 1].Offset : layout.Size;
            var decays = options.WeightDecay != 0 && slot.Decays;
            // Neighbours with the same treatment are one call; the padding between them is zero and stays zero.
            var (group, epsilonFactor) = (slot.Options.Group, slot.Options.EpsilonFactor);
            if (
                ranges.Count > 0
                && ranges[^1] is var last
                && last.Decays == decays
                && last.Group == group
                && last.EpsilonFactor == epsilonFactor
            )
                ranges[^1] = last with { Count = end - last.Start };
            else
                ranges.Add((slot.Offset, end - slot.Offset, decays, group, epsilonFactor));
        }
    }

    internal void Apply(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
        using var scope = NewDisposeScope();
        next.Parameters.copy_(current.Parameters);
        next.FirstMoment.copy_(current.FirstMoment);
        next.SecondMoment.copy_(current.SecondMoment);
        var clipped = step.Clip == 1 ? gradient : gradient.mul(Held((float)step.Clip));
        foreach (var (start, count, decays, group, epsilonFactor) in ranges)
        {
            using var inner = NewDisposeScope();
            var rate = step.Rates[(int)group];
            var decay = decays ? options.WeightDecay : 0;
            var parameters = next.Parameters.narrow(0, start, count);
            var part = clipped.narrow(0, start, count);
            if (options.Name == OptimizerName.Sgd)
            {
                // As torch's SGD: the decay joins the gradient.
                if (decay != 0) part = part.add(parameters, Held(decay));
                parameters.add_(part, Held(-rate));
                continue;
            }

            Dispatcher.FusedAdamW(
                parameters, part, next.FirstMoment.narrow(0, start, count), next.SecondMoment.narrow(0, start, count), step.Step,
                rate, options.Betas[0], options.Betas[1], decay, options.Eps * epsilonFactor);
        }
    }
}
