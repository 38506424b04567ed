using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The phases of a step, silo by silo.</summary>
internal sealed class Stepping(TermContext term, IAgents agents, StepComputation steps, Validation validation)
{
    private readonly SeatComparison seats = new(term);
    private readonly Stragglers stragglers = new(term);

    /// <summary>Forward and backward of all microbatches.</summary>
    internal async Task<Answer> ComputeGradients(int step)
    {
        // Validation of the version before fills the pipeline by itself, and its activations the memory.
        await validation.Over(step - 1);
        stragglers.Begin();
        await steps.Compute(step);
        return protocol => protocol.GradientsComputed(step);
    }

    /// <summary>The whole sum over the replicas at a silo's first seats.</summary>
    internal async Task<Answer> Reduce(string silo, int step)
    {
        (await Agent(silo).Reduce(new ReduceMessage(term.RunId, term.Term, step, steps.Microbatches))).Obeyed();
        return protocol =>
        {
            steps.Clock.Lap("reduce");
            return protocol.Reduced(silo, step);
        };
    }

    /// <summary>What a silo's layers measure of their gradients.</summary>
    internal async Task<Answer> Prepare(string silo, int step)
    {
        var reply = (await Agent(silo).Prepare(term.RunId, term.Term, step)).Obeyed();
        return protocol =>
        {
            steps.Measured(reply.Measures);
            stragglers.Computed(silo, reply.ComputeSeconds);
            steps.Clock.Computed(reply.ForwardSeconds, reply.ComputeSeconds - reply.ForwardSeconds);
            steps.Clock.Lap("commit");
            return protocol.Prepared(silo, step);
        };
    }

    /// <summary>The optimizer step of a silo's layers.</summary>
    internal async Task<Answer> Apply(string silo, int step)
    {
        var message = steps.ApplyMessage(step);
        term.Figures.Elastic.Slowdown(stragglers.Slowdown(steps.Microbatches));
        var reply = (await Agent(silo).Apply(message)).Obeyed();
        return protocol =>
        {
            steps.Clock.Lap("commit");
            seats.Take(step, silo, reply.Hashes);
            var effects = protocol.Applied(silo, step);
            // Nothing follows from a step until all have applied it.
            if (effects.Count > 0) seats.Judge();
            return effects;
        };
    }

    /// <summary>Copies of a version, from a silo's first seats to the layers' other seats.</summary>
    internal async Task<Answer> Protect(string silo, int version)
    {
        var reply = (await Agent(silo).Protect(term.RunId, term.Term, version)).Obeyed();
        return protocol =>
        {
            seats.Copied(version, reply.Hashes);
            return protocol.Protected(silo, version);
        };
    }

    private ISiloAgent Agent(string silo) => agents.At(term.Live[silo]);
}
