using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Grains.Agents;
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
    private readonly GivenBatch given;

    private SiloPath(WebApplication app, ISiloAgent agent, IGrainFactory grains, SeatPlan plan, Term term, GivenBatch given)
    {
        this.given = given;
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
        var given = new GivenBatch(sample);
        var app = SiloHost.Build(SiloSettings.Read(arguments), services => services.AddSingleton<IBatchSource>(given));
        await app.StartAsync();
        var grains = app.Services.GetRequiredService<IGrainFactory>();
        var live = await app.Services.GetRequiredService<ClusterRoster>().Live();
        var agent = app.Services.GetRequiredService<ISiloAgents>().At(live["silo-0"]);
        var term = new Term(1, Guid.NewGuid());
        var fence = await agent.Fence(RunId, term);
        var run = RunResolver.Resolve(spec, ModelFolder.Open(spec.Model.Path), threads);
        var model = run.Model;
        var plan = Planner.Plan([new SiloInventory(fence.Silo)], PlanModel.Of(model, spec.Method), new PlanOptions(1));
        var definition = new RunDefinition(RunId, folder, run.Setup, Training: true);
        var reply = await agent.Start(new StartMessage(definition, term, plan, 0, [], null));
        var path = new SiloPath(app, agent, grains, plan, term, given);
        var passes = reply.NeedsEstimate ? BaseGradientEstimate.Passes(spec.Method, model) : 1;
        for (var pass = 1; pass <= passes; pass++)
        {
            for (var i = 0; reply.NeedsEstimate && i < EstimateSamples; i++)
            {
                await path.First.Estimate(
                    new EstimatePass
                    {
                        RunId = RunId,
                        Term = term,
                        Round = pass,
                        Index = i,
                        Scale = 1.0 / sample.TargetTokens,
                        Shape = sample.WithoutContent(),
                    },
                    0,
                    null);
            }

            await agent.Initialize(RunId, term, pass);
        }

        return path;
    }

    internal async Task<double> Step(int step, Microbatch batch)
    {
        given.Batch = batch;
        var result = await First.Train(
            new TrainPass
            {
                RunId = RunId,
                Term = term,
                Step = step,
                Index = 0,
                Microbatches = 1,
                Scale = 1.0 / batch.TargetTokens,
                Shape = batch.WithoutContent(),
            },
            0,
            null);
        var prepared = await agent.Prepare(RunId, term, step);
        var norm = Math.Sqrt(prepared.Measures.Values.Sum(static measure => measure.SquaredNorm));
        var record = new StepRecord
        {
            Step = step,
            Loss = result.LossSum / batch.TargetTokens,
            LearningRate = 1e-4,
            GradientNorm = norm,
            Tokens = batch.Tokens,
            TargetTokens = batch.TargetTokens,
            Seconds = 0,
            Term = term.Counter,
            Silos = 1,
        };
        await agent.Apply(new ApplyMessage(RunId, term, step, Math.Min(1.0, 1.0 / (norm + 1e-6)), [1e-4, 1e-4], record));
        return result.LossSum / batch.TargetTokens;
    }

    private ILayerShardGrain First =>
        grains.GetGrain<ILayerShardGrain>(new SeatKey(RunId, 0, plan.Positions[0], plan.ActiveSilo(0, plan.Positions[0])).ToString());

    public async ValueTask DisposeAsync()
    {
        await agent.End(RunId, term);
        await app.StopAsync();
        await app.DisposeAsync();
    }
}

/// <summary>The batch that is measured, in the place of a data set.</summary>
internal sealed class GivenBatch(Microbatch batch) : IBatchSource
{
    internal Microbatch Batch { get; set; } = batch;

    public Task<Microbatch> Get(string runId, BatchKey key) => Task.FromResult(Batch);

    public void Forget(string runId)
    {
    }
}
