using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Terms;

/// <summary>Passes without gradients through a term's chains.</summary>
internal static class PassCaller
{
    /// <summary>A caller at a stable version.</summary>
    internal static PipelineCaller Of(TermContext term, IAgents agents, int version) =>
        new(replica => agents.Shard(term.First(replica)), term.RunId, term.Term, term.Plan, version);
}
