using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// The arithmetic of a step at the coordinator: sends the microbatches through, adds losses and norms in fixed order, makes the record.
/// </summary>
internal sealed class StepComputation(TermContext term, IAgents agents)
{
    private readonly SortedDictionary<int, LayerMeasure> measures = [];
    private readonly Dictionary<(int Step, int Layer), string> hashes = [];
    private readonly Dictionary<string, double> computeSeconds = [];
    private Task<BatchOutline[]>? next;
    private int nextStep;
    private long started;
    private double loss;
    private BatchOutline[] batches = [];
    private ApplyMessage? apply;

    /// <summary>Microbatches of the step under way.</summary>
    internal int Microbatches => batches.Length;

    /// <summary>Forward and backward of all microbatches, a few in flight in each replica.</summary>
    internal async Task Compute(int step)
    {
        var plan = term.Plan;
        started = Stopwatch.GetTimestamp();
        measures.Clear();
        computeSeconds.Clear();
        apply = null;
        batches = await (nextStep == step && next is not null ? next : agents.Dataset.OutlineStep(step));
        if (step < term.Data.Steps)
        {
            nextStep = step + 1;
            next = agents.Dataset.OutlineStep(step + 1);
        }

        var targets = batches.Sum(static batch => batch.TargetTokens);
        if (targets == 0)
        {
            throw new PeftException(
                $"step {step} has no target token: every label of its {batches.Length} microbatches is masked; "
                + "check data.mask_prompt and the data set");
        }

        var losses = new double[batches.Length];
        var stages = plan
            .Seats.Where(static seat => seat is { Active: true, Replica: 0 })
            .Select(static seat => seat.Silo)
            .Distinct()
            .Count();
        var depths = Enumerable.Range(0, plan.Replicas).Select(_ => new SemaphoreSlim(stages + 1)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, batches.Length).Select(async index =>
        {
            var replica = plan.ReplicaOfMicrobatch(index, batches.Length);
            await depths[replica].WaitAsync();
            try
            {
                var result = await agents.Shard(term.First(replica)).Train(
                    new TrainPass
                    {
                        RunId = term.RunId,
                        Term = term.Term,
                        Replica = replica,
                        Step = step,
                        Index = index,
                        Microbatches = batches.Length,
                        Scale = 1.0 / targets,
                        Shape = batches[index].Shape,
                    },
                    0,
                    null);
                losses[index] = result.LossSum;
                if (!double.IsFinite(result.LossSum))
                {
                    throw new PeftException(
                        $"the loss of microbatch {index} of step {step} is {result.LossSum} (data hash {batches[index].ContentHash}); "
                        + $"the run stops at step {step - 1}. Lower the learning rate, or check this batch");
                }
            }
            finally
            {
                depths[replica].Release();
            }
        }));
        loss = losses.Sum() / targets;
    }

    /// <summary>One sample's backward pass through the frozen base.</summary>
    /// <param name="round">Round over the samples, from 1.</param>
    /// <param name="index">Sample.</param>
    internal async Task Estimate(int round, int index)
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

    internal void Measured(string silo, Dictionary<int, LayerMeasure> measured, double seconds)
    {
        computeSeconds[silo] = seconds;
        foreach (var (layer, measure) in measured) measures[layer] = measure;
    }

    /// <summary>
    /// Each silo's compute time per unit of the work the plan gave it, over the fastest silo's: 1 for the fastest, 2 for one that takes
    /// twice as long as it should and holds the others up.
    /// </summary>
    internal Dictionary<string, double> Slowdown(double[] layerCosts)
    {
        var plan = term.Plan;
        var perUnit = new Dictionary<string, double>();
        foreach (var (silo, seconds) in computeSeconds)
        {
            var microbatches = Enumerable
                .Range(0, batches.Length)
                .Count(index => plan.ReplicaOfMicrobatch(index, batches.Length) == plan.ReplicaOf(silo));
            var work = microbatches * plan.ActiveLayersOn(silo).Sum(layer => layerCosts[layer]);
            if (work > 0 && seconds > 0) perUnit[silo] = seconds / work;
        }

        var fastest = perUnit.Values.DefaultIfEmpty(1).Min();
        return perUnit.ToDictionary(static silo => silo.Key, silo => silo.Value / fastest);
    }

    /// <summary>Clip factor, learning rates and record of the step; the same for every silo.</summary>
    internal ApplyMessage ApplyMessage(int step)
    {
        if (apply is not null && apply.Step == step) return apply;
        var training = term.Spec.Training;
        var norm = Math.Sqrt(measures.Values.Sum(static measure => measure.SquaredNorm));
        if (!double.IsFinite(norm))
        {
            throw new PeftException(
                $"the gradient norm of step {step} is {norm}; the run stops at step {step - 1}. Lower the learning rate, or check the batch"
            );
        }

        var clip = training.MaxGradNorm is { } limit ? Math.Min(1.0, limit / (norm + 1e-6)) : 1.0;
        var rates = LearningRateSchedule.Rates(training, step, term.Data.Steps);
        var record = new StepRecord
        {
            Step = step,
            Loss = loss,
            LearningRate = rates[0],
            GradientNorm = norm,
            Tokens = batches.Sum(static batch => batch.Shape.Tokens),
            TargetTokens = batches.Sum(static batch => batch.TargetTokens),
            Seconds = Math.Round(Stopwatch.GetElapsedTime(started).TotalSeconds, 6),
            Lambda = [.. measures.Values.SelectMany(static measure => measure.Lambda)],
            Term = term.Term.Counter,
            Silos = term.ComputingSilos,
            Samples = [.. batches.Select(static batch => batch.ContentHash)],
        };
        term.Records[step] = record;
        return apply = new ApplyMessage(term.RunId, term.Term, step, clip, rates, record);
    }

    /// <summary>Different bytes of one layer's version on two seats stop the run, loudly.</summary>
    internal void CheckHashes(int step, Dictionary<int, string> reported)
    {
        foreach (var (layer, hash) in reported)
        {
            var compared = hashes.TryGetValue((step, layer), out var known);
            if (compared) RunInstruments.Compared(term.RunId, equal: known == hash);
            if (compared && known != hash)
            {
                throw new PeftException(
                    $"layer {layer} differs between its seats after step {step}; the silos do not compute the same bits "
                    + "(different hardware or thread numbers?)");
            }

            hashes[(step, layer)] = hash;
        }

        foreach (var old in hashes.Keys.Where(key => key.Step < step).ToArray()) hashes.Remove(old);
    }
}
