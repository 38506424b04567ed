using Orleans.Concurrency;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Inference;

/// <summary>Text generation over a seated model.</summary>
[Reentrant, KeepAlive]
internal sealed class GenerationGrain(IGrainFactory grains, ISiloAgents agents, ClusterRoster roster) : Grain, IGenerationGrain
{
    private ModelSession? session;

    /// <inheritdoc/>
    public async Task Open(ModelRequest model) =>
        session ??= await ModelSession.Open(this.GetPrimaryKeyString(), model, grains, agents, roster);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<GenerationResult>> Generate(GenerationRequest request)
    {
        var open = session ?? throw new PeftException("no model is open in this session");
        foreach (var prompt in request.Prompts) open.Bound?.Require(prompt.Length, request.MaxNewTokens, "--max-new-tokens");
        return await open.Caller.Generate(request);
    }

    /// <inheritdoc/>
    public async Task Close()
    {
        if (session is not null) await session.Close();
        session = null;
        DeactivateOnIdle();
    }
}

/// <summary>Log-likelihoods over a seated model.</summary>
[Reentrant, KeepAlive]
internal sealed class EvaluationGrain(IGrainFactory grains, ISiloAgents agents, ClusterRoster roster) : Grain, IEvaluationGrain
{
    private ModelSession? session;

    /// <inheritdoc/>
    public async Task Open(ModelRequest model) =>
        session ??= await ModelSession.Open(this.GetPrimaryKeyString(), model, grains, agents, roster);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ScoreResult>> Score(IReadOnlyList<ScoreItem> items) =>
        await (session ?? throw new PeftException("no model is open in this session")).Caller.Score(items);

    /// <inheritdoc/>
    public async Task Close()
    {
        if (session is not null) await session.Close();
        session = null;
        DeactivateOnIdle();
    }
}
