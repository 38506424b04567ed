using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Membership;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Silo;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// A training step as users get it: a real silo with its grains, agent, protocol messages, tree and two versions. Only the run loop around
/// the steps (files, progress) is left out, so that single steps can be interleaved with those of the bare loop.
/// </summary>
internal sealed class SiloPath : IAsyncDisposable
{
    private const string RunId = "benchmark";

    /// <summary>Enough for the memory that an estimate takes; its time is not measured.</summary>
    private const int EstimateSamples = 4;

    private readonly WebApplication app;
    private readonly ISiloAgent agent;
    private readonly IGrainFactory grains;
    private readonly SeatPlan plan;
    private readonly Term term;

    private SiloPath(WebApplication app, ISiloAgent agent, IGrainFactory grains, SeatPlan plan, Term term)
    {
        this.app = app;
        this.agent = agent;
        this.grains = grains;
        this.plan = plan;
        this.term = term;
    }

    internal static async Task<SiloPath> Open(RunSpec spec, int threads, Microbatch sample)
    {
        var folder = Directory.CreateTempSubdirectory("benchmark").FullName;
        string[] arguments = [SiloArguments.ClusterFolder, folder, SiloArguments.Name, "silo-0", SiloArguments.Threads, $"{threads}"];
        var app = SiloHost.Build(SiloSettings.Read(arguments));
        await app.StartAsync();
        var grains = app.Services.GetRequiredService<IGrainFactory>();
        var live = await app.Services.GetRequiredService<ClusterRoster>().Live();
        var agent = app.Services.GetRequiredService<ISiloAgents>().At(live["silo-0"]);
        var term = new Term(1, Guid.NewGuid());
        var fence = await agent.Fence(RunId, term);
        var run = RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads);
        var model = run.Model;
        var plan = Planner.Plan([new SiloInventory(fence.Silo)], model.PlanFor(spec.Method), new PlanOptions(1));
        var definition = new RunDefinition(RunId, folder, run.Setup, Training: true);
        var reply = await agent.Start(new StartMessage(definition, term, plan, 0, [], null));
        var path = new SiloPath(app, agent, grains, plan, term);
        var passes = reply.NeedsEstimate ? BaseGradientEstimate.Passes(spec.Method, model) : 1;
        for (var pass = 1; pass <= passes; pass++)
        {
            for (var i = 0; reply.NeedsEstimate && i < EstimateSamples; i++)
                await path.Pass(PassKind.Estimate, pass, i, EstimateSamples, sample);
            await agent.Initialize(RunId, term, pass);
        }

        return path;
    }

    internal async Task<double> Step(int step, Microbatch batch)
    {
        var result = await Pass(PassKind.Train, step, 0, 1, batch);
        var prepared = await agent.Prepare(RunId, term, step);
        var norm = Math.Sqrt(prepared.Measures.Values.Sum(static measure => measure.SquaredNorm));
        await agent.Apply(new ApplyMessage(RunId, term, step, Math.Min(1.0, 1.0 / (norm + 1e-6)), [1e-4, 1e-4], "{}"));
        return result.LossSum / result.TargetTokens;
    }

    private Task<PassResult> Pass(PassKind kind, int step, int index, int microbatches, Microbatch batch)
    {
        var first = plan.Positions[0];
        var seat = new SeatKey(RunId, 0, first, plan.ActiveSilo(0, first));
        return grains.GetGrain<ILayerShardGrain>(seat.ToString()).Pass(new PassCall
        {
            RunId = RunId,
            Term = term,
            Kind = kind,
            Step = step,
            Index = index,
            Batch = batch,
            Scale = 1.0 / batch.TargetTokens,
            Microbatches = microbatches,
        }, 0, null);
    }

    public async ValueTask DisposeAsync()
    {
        await agent.End(RunId, term);
        await app.StopAsync();
        await app.DisposeAsync();
    }
}
