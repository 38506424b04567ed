using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Grains.Inference;

/// <summary>A model seated over the cluster's silos without training: fence, start and initialisation, once.</summary>
internal sealed class ModelSession
{
    private readonly ISiloAgents agents;
    private readonly SortedDictionary<string, global::Orleans.Runtime.SiloAddress> live;
    private readonly string sessionId;
    private readonly Term term;

    private ModelSession(
        ISiloAgents agents,
        SortedDictionary<string, global::Orleans.Runtime.SiloAddress> live,
        string sessionId,
        Term term,
        PipelineCaller caller,
        GenerationBound? bound
    )
    {
        this.agents = agents;
        this.live = live;
        this.sessionId = sessionId;
        this.term = term;
        Caller = caller;
        Bound = bound;
    }

    internal PipelineCaller Caller { get; }

    /// <summary>Beyond how many tokens the model does not generate.</summary>
    internal GenerationBound? Bound { get; }

    /// <summary>Seats the model.</summary>
    /// <exception cref="PeftException">The folder holds no model or adapter this version can read.</exception>
    internal static async Task<ModelSession> Open(
        string sessionId,
        ModelRequest model,
        IGrainFactory grains,
        ISiloAgents agents,
        ClusterRoster roster
    )
    {
        var folder = ModelFolder.Open(model.ModelPath);
        var dtype = model.Dtype ?? folder.StoredType;
        var method = InferenceMethod.Of(model.AdapterPath, folder);
        var setup = new ModelChoice
        {
            Path = folder.Path,
            Dtype = dtype,
            Products = TorchRuntime.ProductsOf(dtype),
            Method = method with { TargetModules = TargetModules.Resolve(method, folder.Dimensions) },
        };
        var live = await roster.Live();
        var drawn = new Term(1, Guid.NewGuid());
        var fences = new List<FenceReply>();
        foreach (var address in live.Values) fences.Add(await agents.At(address).Fence(sessionId, drawn));
        var plan = Planner.Plan(
            [.. fences.Select(static fence => new SiloInventory(fence.Silo, [], TakesSeats: !fence.Seatless))],
            PlanModel.Of(folder.Dimensions, setup.Method),
            new PlanOptions(Math.Max(1, fences.Count(static fence => !fence.Seatless))) { Protect = false });
        var definition = new RunDefinition(sessionId, "", setup, Training: false);
        var replies = await Task.WhenAll(
            live.Values.Select(address => agents.At(address).Start(new StartMessage(definition, drawn, plan, 0, [], null)))
        );
        foreach (var reply in replies)
        {
            if (!reply.Accepted) throw new PeftException(reply.Refusal!);
        }

        await Task.WhenAll(live.Values.Select(address => agents.At(address).Initialize(sessionId, drawn, pass: 1)));
        var caller = new PipelineCaller(First, sessionId, drawn, plan, version: 0);
        return new ModelSession(agents, live, sessionId, drawn, caller, folder.GenerationBound);

        ILayerShardGrain First(int replica)
        {
            var layer = plan.Positions[0];
            return grains.GetGrain<ILayerShardGrain>(new SeatKey(sessionId, replica, layer, plan.ActiveSilo(replica, layer)).ToString());
        }
    }

    internal Task Close() => Task.WhenAll(live.Values.Select(address => agents.At(address).End(sessionId, term)));
}
