using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Kernels.Adapters;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Version 0 on the first seats, after what its method has to learn of the base.</summary>
internal sealed class FirstVersion(TermContext term, IAgents agents)
{
    /// <summary>Makes it.</summary>
    /// <param name="estimated">Whether a seat needs the base gradient, for which samples pass through the frozen base.</param>
    internal async Task<Answer> Make(bool estimated)
    {
        var samples = estimated ? Math.Min(term.Spec.Method.LoraGa.GradientSamples, term.Data.Samples) : 0;
        var passes = estimated ? BaseGradientEstimate.Passes(term.Run.Method, term.Run.Model) : 1;
        for (var pass = 1; pass <= passes; pass++)
        {
            var which = passes == 1 ? "" : $"pass {pass} of {passes}, ";
            for (var i = 0; i < samples; i++)
            {
                term.Progress.Note(status => status with { Message = $"estimating the base gradient: {which}sample {i + 1} of {samples}" });
                await Estimate(pass, i);
            }

            term.Progress.Note(status => status with { Message = "initialising the adapter" });
            var replies = await Task.WhenAll(
                term.FirstSilos.Select(silo => agents.At(term.Live[silo]).Initialize(term.RunId, term.Term, pass))
            );
            foreach (var reply in replies)
                reply.Obeyed();
        }

        return static protocol => protocol.Initialized();
    }

    /// <summary>One sample's backward pass through the frozen base.</summary>
    /// <param name="round">Round over the samples, from 1.</param>
    /// <param name="index">Sample.</param>
    private async Task Estimate(int round, int index)
    {
        var sample = await agents.Dataset.OutlineSample(index);
        if (sample.TargetTokens == 0) return;
        await agents.Shard(term.First(0)).Estimate(
            new EstimatePass
            {
                RunId = term.RunId,
                Term = term.Term,
                Round = round,
                Index = index,
                Scale = 1.0 / sample.TargetTokens,
                Shape = sample.Shape,
            },
            0,
            null);
    }
}
