using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>The arithmetic of a step at the coordinator: sends the microbatches through, adds losses and norms in fixed order, makes the record.</summary>
internal sealed class StepComputation(TermContext context)
{
    private readonly SortedDictionary<int, LayerMeasure> measures = [];
    private readonly Dictionary<(int Step, int Layer), string> hashes = [];
    private readonly Dictionary<string, double> computeSeconds = [];
    private Task<Microbatch[]>? next;
    private int nextStep;
    private long started;
    private double loss;
    private Microbatch[] batches = [];
    private ApplyMessage? apply;

    /// <summary>Records of the steps whose versions are held somewhere, by step.</summary>
    internal SortedDictionary<int, string> Records { get; } = [];

    /// <summary>Microbatches of the step under way.</summary>
    internal int Microbatches => batches.Length;

    /// <summary>Drops what belongs to steps before <paramref name="step"/>.</summary>
    internal void Forget(int step)
    {
        foreach (var old in Records.Keys.Where(key => key < step).ToArray()) Records.Remove(old);
    }

    /// <summary>Forward and backward of all microbatches, a few in flight in each replica.</summary>
    internal async Task Compute(SeatPlan plan, int step)
    {
        started = Stopwatch.GetTimestamp();
        measures.Clear();
        computeSeconds.Clear();
        apply = null;
        batches = await (nextStep == step && next is not null ? next : context.Dataset.GetStep(step));
        if (step < context.Data.Steps)
        {
            nextStep = step + 1;
            next = context.Dataset.GetStep(step + 1);
        }

        var targets = batches.Sum(static batch => batch.TargetTokens);
        if (targets == 0) throw new PeftException($"step {step} has no target token: every label of its {batches.Length} microbatches is masked; check data.mask_prompt and the data set");
        var losses = new double[batches.Length];
        var stages = plan.Seats.Where(static seat => seat is { Active: true, Replica: 0 }).Select(static seat => seat.Silo).Distinct().Count();
        var depths = Enumerable.Range(0, plan.Replicas).Select(_ => new SemaphoreSlim(stages + 1)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, batches.Length).Select(async index =>
        {
            var replica = plan.ReplicaOfMicrobatch(index, batches.Length);
            await depths[replica].WaitAsync();
            try
            {
                var result = await First(plan, replica).Pass(Call(PassKind.Train, step, index, batches[index], 1.0 / targets, batches.Length) with { Replica = replica }, 0, null);
                losses[index] = result.LossSum;
                if (!double.IsFinite(result.LossSum))
                    throw new PeftException($"the loss of microbatch {index} of step {step} is {result.LossSum} (data hash {batches[index].ContentHash}); the run stops at step {step - 1}. Lower the learning rate, or check this batch");
            }
            finally
            {
                depths[replica].Release();
            }
        }));
        loss = losses.Sum() / targets;
    }

    /// <summary>One sample's backward pass through the frozen base; <paramref name="pass"/> counts the passes over the samples from 1.</summary>
    internal async Task Estimate(SeatPlan plan, int pass, int index, int samples)
    {
        var sample = await context.Dataset.GetSample(index);
        var targets = sample.TargetTokens;
        if (targets == 0) return;
        await First(plan, 0).Pass(Call(PassKind.Estimate, pass, index, sample, 1.0 / targets, samples), 0, null);
    }

    internal void Measured(string silo, Dictionary<int, LayerMeasure> measured, double seconds)
    {
        computeSeconds[silo] = seconds;
        foreach (var (layer, measure) in measured) measures[layer] = measure;
    }

    /// <summary>
    /// Each silo's compute time per unit of the work the plan gave it, over the fastest silo's: 1 for the fastest, 2 for one that takes twice as
    /// long as it should and holds the others up.
    /// </summary>
    internal Dictionary<string, double> Slowdown(SeatPlan plan, double[] layerCosts)
    {
        var perUnit = new Dictionary<string, double>();
        foreach (var (silo, seconds) in computeSeconds)
        {
            var microbatches = Enumerable.Range(0, batches.Length).Count(index => plan.ReplicaOfMicrobatch(index, batches.Length) == plan.ReplicaOf(silo));
            var work = microbatches * plan.ActiveLayersOn(silo).Sum(layer => layerCosts[layer]);
            if (work > 0 && seconds > 0) perUnit[silo] = seconds / work;
        }

        var fastest = perUnit.Values.DefaultIfEmpty(1).Min();
        return perUnit.ToDictionary(static silo => silo.Key, silo => silo.Value / fastest);
    }

    /// <summary>Clip factor, learning rates and record of the step; the same for every silo.</summary>
    internal ApplyMessage ApplyMessage(SeatPlan plan, int step)
    {
        if (apply is not null && apply.Step == step) return apply;
        var training = context.Spec.Training;
        var norm = Math.Sqrt(measures.Values.Sum(static measure => measure.SquaredNorm));
        if (!double.IsFinite(norm))
            throw new PeftException($"the gradient norm of step {step} is {norm}; the run stops at step {step - 1}. Lower the learning rate, or check the batch");
        var clip = training.MaxGradNorm is { } limit ? Math.Min(1.0, limit / (norm + 1e-6)) : 1.0;
        var rates = LearningRateSchedule.Rates(training, step, context.Data.Steps);
        var record = MetricsLine.Write(
            step, loss, rates[0], norm, batches.Sum(static batch => batch.Tokens), batches.Sum(static batch => batch.TargetTokens),
            Stopwatch.GetElapsedTime(started).TotalSeconds, [.. measures.Values.SelectMany(static measure => measure.Lambda)],
            context.Term.Counter, plan.Seats.Where(static seat => seat.Active).Select(static seat => seat.Silo).Distinct().Count(),
            [.. batches.Select(static batch => batch.ContentHash)]);
        Records[step] = record;
        return apply = new ApplyMessage(context.Request.RunId, context.Term, step, clip, rates, record);
    }

    /// <summary>Different bytes of one layer's version on two seats stop the run, loudly.</summary>
    internal void CheckHashes(int step, Dictionary<int, string> reported)
    {
        foreach (var (layer, hash) in reported)
        {
            var compared = hashes.TryGetValue((step, layer), out var known);
            if (compared) RunInstruments.Compared(context.Request.RunId, equal: known == hash);
            if (compared && known != hash)
                throw new PeftException($"layer {layer} differs between its seats after step {step}; the silos do not compute the same bits (different hardware or thread numbers?)");
            hashes[(step, layer)] = hash;
        }

        foreach (var old in hashes.Keys.Where(key => key.Step < step).ToArray()) hashes.Remove(old);
    }

    private ILayerShardGrain First(SeatPlan plan, int replica) =>
        context.Grains.GetGrain<ILayerShardGrain>(new SeatKey(context.Request.RunId, replica, plan.Positions[0], plan.ActiveSilo(replica, plan.Positions[0])).ToString());

    private PassCall Call(PassKind kind, int step, int index, Microbatch batch, double scale, int microbatches) => new()
    {
        RunId = context.Request.RunId,
        Term = context.Term,
        Kind = kind,
        Step = step,
        Index = index,
        Batch = batch,
        Scale = scale,
        Microbatches = microbatches,
    };
}
