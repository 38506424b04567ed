using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Planning;

/// <summary>Predicted bytes of one layer shard, by what they are for.</summary>
/// <param name="Base">Frozen weights in the type they are held in.</param>
/// <param name="Trainable">Two versions of the trainable parameters.</param>
/// <param name="Optimizer">Two versions of the optimizer state.</param>
/// <param name="Gradient">Gradient buffers: the tree's open nodes.</param>
/// <param name="Activations">Saved activations of the microbatches in flight.</param>
/// <param name="Workspace">Largest temporary of a pass.</param>
public sealed record LayerMemory(long Base, long Trainable, long Optimizer, long Gradient, long Activations, long Workspace)
{
    /// <summary>Before training: the gradient of the adapted base weights in fp32, where it is estimated whole.</summary>
    public long Estimate { get; init; }

    /// <summary>In how many parts of the layers it is estimated.</summary>
    public int EstimateParts { get; init; } = 1;

    /// <summary>What stays while training, without the workspace that layers share.</summary>
    public long Training => Base + Trainable + Optimizer + Gradient + Activations;

    /// <summary>What stays while this layer's gradient is estimated.</summary>
    public long Estimating => Base + Estimate;
}

/// <summary>Predicts memory per layer and per silo: a pure function of model, run file and plan.</summary>
public static class MemoryModel
{
    /// <summary>Resident bytes of a silo that holds nothing: .NET, Orleans, libtorch's code.</summary>
    public const long ProcessBytes = 330L << 20;

    /// <summary>Up to this many bytes the base gradient of all layers is held at once.</summary>
    private const long WholeEstimate = 64L << 20;

    /// <summary>Bytes of each layer shard, in layer order.</summary>
    /// <param name="run">The run.</param>
    /// <param name="columns">Tokens of a row.</param>
    /// <param name="inFlight">Microbatches in flight at a shard.</param>
    public static LayerMemory[] Layers(ResolvedRun run, int columns, int inFlight)
    {
        var (model, method, training) = (run.Model, run.Method, run.Spec.Training);
        var traits = MethodTraits.Of(method);
        var weight = run.Dtype == WeightType.Float32 ? 4L : 2L;
        var native = weight == 4 || run.Products != ProductType.Float32;
        var activation = native ? weight : 4L;
        var tokens = (long)columns * training.Microbatch;
        var depth = 2 + (int)Math.Ceiling(Math.Log2(Math.Max(1, (double)training.GlobalBatch / training.Microbatch)));
        var moments = training.Optimizer.Name == OptimizerName.AdamW ? 2L : 0L;

        LayerMemory Shard(long frozen, long trainable, long saved, long workspace) =>
            new(
                traits.TrainsBase ? 0 : frozen,
                2 * 4 * trainable,
                2 * 4 * moments * trainable,
                4L * trainable * depth,
                saved * inFlight,
                workspace
            );

        var widths = model.Linears.Sum(static linear => (long)linear.Out) + (4L * model.HiddenSize) + model.IntermediateSize;
        var attention = (long)model.Heads * columns * columns * activation * training.Microbatch;
        var scratch = native ? 0 : model.Linears.Max(static linear => linear.Elements) * 4;

        LayerMemory Block(int block)
        {
            var adapted = model.InBlock(method, block).ToArray();
            var plain = model.Linears.Except(adapted.Select(static module => module.Linear));
            var linears = adapted.Sum(module => traits.BaseBytes(module.Method, module.Linear, weight, activation))
                + plain.Sum(linear => MethodTraits.Frozen(linear, weight, activation));
            var kept = training.Recompute == RecomputePolicy.Always
                ? model.HiddenSize
                : widths + NormedHeads(model, method, block) + SavedOutputs(model, method, block);
            // Norms are tiny: they are held in fp32, the type in which they are used.
            return Shard(
                linears + (4L * model.BlockNorms),
                model.TrainableInBlock(method, block),
                tokens * kept * activation,
                (3 * attention) + scratch + (tokens * model.IntermediateSize * activation * 4)) with
            {
                Estimate = BlockEstimate(model, method, block),
            };
        }

        var logits = 2L * 4 * Math.Min(tokens, 256) * model.Vocabulary;
        var tied = model.TrainsTiedEmbedding(method);
        var (words, norms) = (model.EmbeddingParameters, (Embedding: (long)model.EmbeddingNorms, Head: (long)model.HeadNorms));
        var embedding = Shard(
            (words * weight) + (4 * norms.Embedding),
            traits.TrainsBase ? words + norms.Embedding + (tied ? norms.Head : 0) : 0,
            0,
            tied ? logits : 0);
        var head = Shard((words * weight) + (4 * norms.Head), traits.TrainsBase ? words + norms.Head : 0, 0, logits);
        var layers = TargetModules.Blocks(model).Select(Block).Prepend(embedding);
        if (!tied) layers = layers.Append(head);
        var parts = EstimateParts(model, method);
        return [.. layers.Select(layer => layer with { EstimateParts = parts })];
    }

    /// <summary>Predicted resident bytes of each silo of a plan.</summary>
    public static IReadOnlyDictionary<string, long> PerSilo(Protocol.SeatPlan plan, LayerMemory[] layers) =>
        plan.Silos.ToDictionary(static silo => silo.Name, silo =>
        {
            var seats = plan.ActiveLayersOn(silo.Name);
            var copies = plan.LayersOn(silo.Name).Except(seats).Sum(layer => layers[layer].Trainable + layers[layer].Optimizer);
            return ProcessBytes + copies + Resident(seats, layers);
        });

    /// <summary>
    /// The fewest silos of a given memory over which one pipeline fits, as the planner cuts it; one per layer where even that does not.
    /// </summary>
    public static int StagesNeeded(PlanModel model, LayerMemory[] layers, long capacity)
    {
        for (var stages = 1; stages < layers.Length; stages++)
        {
            var bounds = Planner.Partition(model.LayerCosts, stages);
            var largest = Enumerable.Range(0, stages).Max(part =>
            {
                return ProcessBytes + Resident([.. Enumerable.Range(bounds[part], bounds[part + 1] - bounds[part])], layers);
            });
            if (largest <= capacity) return stages;
        }

        return layers.Length;
    }

    /// <summary>
    /// In how many parts of the layers the whole gradient of the adapted base weights is estimated, each with a pass over the samples: one
    /// where it is small, else two, so that no more than half of it is ever held. The parts change no bit.
    /// </summary>
    public static int EstimateParts(ModelDimensions model, MethodSpec method) =>
        TargetModules.Blocks(model).Sum(block => BlockEstimate(model, method, block)) > WholeEstimate ? 2 : 1;

    /// <summary>The pass, from 1, in which a layer's gradient is estimated.</summary>
    public static int EstimatePass(int layer, int parts) => (layer % parts) + 1;

    /// <summary>
    /// What some layers on one silo hold at most: training, or in a pass of the estimate, the other layers being ready to train.
    /// </summary>
    public static long Resident(int[] seats, LayerMemory[] layers)
    {
        if (seats.Length == 0) return 0;
        var parts = layers[seats[0]].EstimateParts;
        var peak = Enumerable.Range(1, parts).Max(pass => seats.Sum(layer =>
            EstimatePass(layer, parts) == pass ? Math.Max(layers[layer].Training, layers[layer].Estimating) : layers[layer].Training));
        return peak + seats.Max(layer => layers[layer].Workspace);
    }

    /// <summary>
    /// Columns of base outputs that a method's backward pass reads, besides what every block keeps; those of rotated outputs stand for what
    /// is made of them, and that of the attention's output projection is made again.
    /// </summary>
    private static long SavedOutputs(ModelDimensions model, MethodSpec method, int block)
    {
        var traits = MethodTraits.Of(method);
        if (!traits.KeepsBaseOutput(method)) return 0;
        var repeats = traits.RepeatsOutput(method);
        var adapted = model.InBlock(method, block).Select(static module => module.Linear).ToArray();
        var repeatsHeads = adapted.Count(static linear => MakesHeads(linear.Role))
            == model.Linears.Count(static linear => MakesHeads(linear.Role));
        bool Repeated(LinearRole role) =>
            repeats && (role is LinearRole.Gate or LinearRole.Up or LinearRole.Output || (repeatsHeads && MakesHeads(role)));
        return adapted.Where(linear => !Repeated(linear.Role)).Sum(static linear => (long)linear.Out);
    }

    /// <summary>Columns of queries and keys as they were before their norms, where the method does not make them again.</summary>
    private static long NormedHeads(ModelDimensions model, MethodSpec method, int block)
    {
        if (!model.NormsHeads) return 0;
        var again = MethodTraits.Of(method).RepeatsOutput(method)
            ? model.InBlock(method, block).Select(static module => module.Linear)
            : [];
        return model.Linears
            .Where(static linear => linear.Role is LinearRole.Query or LinearRole.Key)
            .Except(again)
            .Sum(static linear => (long)linear.Out);
    }

    private static bool MakesHeads(LinearRole role) =>
        role is LinearRole.Query or LinearRole.Key or LinearRole.Value or LinearRole.QueryKeyValue;

    private static long BlockEstimate(ModelDimensions model, MethodSpec method, int block) => MethodTraits.Of(method).EstimatesWhole(method)
        ? 4 * model.InBlock(method, block).Sum(static module => module.Linear.Elements)
        : 0;
}
