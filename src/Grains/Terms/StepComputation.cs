using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Batches;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Metrics;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// The arithmetic of a step at the coordinator: sends the microbatches through, adds losses and norms in fixed order, makes the record.
/// </summary>
internal sealed class StepComputation(TermContext term, IAgents agents)
{
    private readonly SortedDictionary<int, LayerMeasure> measures = [];
    private Task<BatchOutline[]>? next;
    private int nextStep;
    private long started;
    private double loss;
    private BatchOutline[] batches = [];
    private ApplyMessage? apply;

    /// <summary>Where its time goes.</summary>
    internal StepClock Clock { get; } = new(term.Figures.Training);

    /// <summary>Microbatches of the step under way.</summary>
    internal int Microbatches => batches.Length;

    /// <summary>Forward and backward of all microbatches, a few in flight in each replica.</summary>
    internal async Task Compute(int step)
    {
        var plan = term.Plan;
        started = Stopwatch.GetTimestamp();
        Clock.Begin();
        measures.Clear();
        apply = null;
        batches = await (nextStep == step && next is not null ? next : agents.Dataset.OutlineStep(step));
        Clock.Lap("data");
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
                    term.Figures.Training.NotFinite("loss");
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
        Clock.Passed();
        loss = losses.Sum() / targets;
    }

    /// <summary>What a silo's layers measured of their gradients.</summary>
    internal void Measured(Dictionary<int, LayerMeasure> measured)
    {
        foreach (var (layer, measure) in measured) measures[layer] = measure;
    }

    /// <summary>Clip factor, learning rates and record of the step; the same for every silo.</summary>
    internal ApplyMessage ApplyMessage(int step)
    {
        if (apply is not null && apply.Step == step) return apply;
        var training = term.Spec.Training;
        var norm = Math.Sqrt(measures.Values.Sum(static measure => measure.SquaredNorm));
        if (!double.IsFinite(norm))
        {
            term.Figures.Training.NotFinite("gradient");
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
        term.Figures.Training.Measured(measures);
        Clock.Part();
        return apply = new ApplyMessage(term.RunId, term.Term, step, clip, rates, record);
    }
}
