using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Models.Llama;
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

    private ModelSession(ISiloAgents agents, SortedDictionary<string, global::Orleans.Runtime.SiloAddress> live, string sessionId, Term term, PipelineCaller caller)
    {
        this.agents = agents;
        this.live = live;
        this.sessionId = sessionId;
        this.term = term;
        Caller = caller;
    }

    internal PipelineCaller Caller { get; }

    /// <summary>Seats the model.</summary>
    /// <exception cref="PeftException">The folder holds no model or adapter this version can read.</exception>
    internal static async Task<ModelSession> Open(string sessionId, ModelRequest model, IGrainFactory grains, ISiloAgents agents, ClusterRoster roster)
    {
        var config = LlamaConfig.Read(model.ModelPath);
        var dtype = model.Dtype ?? config.TorchDtype ?? WeightType.Float32;
        var spec = new RunSpec
        {
            Name = sessionId,
            Model = new ModelSpec { Path = model.ModelPath, Dtype = dtype },
            Method = InferenceMethod.Of(model.AdapterPath, ModelFolder.Open(model.ModelPath)),
            Data = new DataSpec { Train = new DataSource { Path = "none", Format = DataFormat.Tokens } },
            Training = new TrainingSpec { Steps = 1 },
            Compute = new ComputeSpec { Products = TorchRuntime.ResolveProducts(dtype, null) },
        };
        var live = await roster.Live();
        var drawn = new Term(1, Guid.NewGuid());
        var fences = new List<FenceReply>();
        foreach (var address in live.Values) fences.Add(await agents.At(address).Fence(sessionId, drawn));
        var plan = Planner.Plan(
            [.. fences.Select(static fence => new SiloInventory(fence.Silo))], LlamaDimensions.Of(config).PlanFor(spec.Method), new PlanOptions(live.Count) { Protect = false });
        var definition = new RunDefinition(sessionId, "", RunFile.Write(spec), Training: false);
        var replies = await Task.WhenAll(live.Values.Select(address => agents.At(address).Start(new StartMessage(definition, drawn, plan, 0, [], null))));
        foreach (var reply in replies)
        {
            if (!reply.Accepted) throw new PeftException(reply.Reason);
        }

        await Task.WhenAll(live.Values.Select(address => agents.At(address).Initialize(sessionId, drawn, pass: 1)));
        return new ModelSession(agents, live, sessionId, drawn, new PipelineCaller(grains, sessionId, drawn, plan, version: 0));
    }

    internal Task Close() => Task.WhenAll(live.Values.Select(address => agents.At(address).End(sessionId, term)));
}
