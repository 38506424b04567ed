using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Adapters;
using Peft.Orleans.Kernels.Adapters.None;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Models;

/// <summary>What every family's shards have alike: adapted linears, layout, version 0, the optimizer step, export.</summary>
internal abstract class TrainableShard : LayerShard
{
    private FlatOptimizer optimizer = null!;
    private ParameterLayout layout = null!;

    [SetsRequiredMembers]
    protected TrainableShard(LayerPlace place, ShardContext context)
    {
        (Layer, NeedsInputGradient) = place;
        Context = context;
    }

    public sealed override ParameterLayout Layout => layout;

    public sealed override long BaseBytes => Tensors.Sum(static tensor => tensor.Bytes) + Linears.Sum(static linear => linear.BaseBytes);

    public sealed override IReadOnlyDictionary<string, string> WeightHashes => Context.Weights.Hashes;

    protected ShardContext Context { get; }

    protected ModelFolder Model => Context.Setup.Model;

    protected MethodSpec Method => Context.Setup.Method;

    /// <summary>Linears in the order of the family's description.</summary>
    protected List<AdaptedLinear> Linears { get; } = [];

    /// <summary>Other base tensors.</summary>
    protected List<BaseTensor> Tensors { get; } = [];

    public sealed override void Initialize(LayerVersion version, long seed, BaseGradientEstimate? estimate, AdapterTensors? initialAdapter)
    {
        using var scope = NewDisposeScope();
        version.Parameters.zero_();
        version.FirstMoment.zero_();
        version.SecondMoment.zero_();
        version.Constants.zero_();
        foreach (var tensor in Tensors) tensor.Initialize(version);
        if (initialAdapter is null)
        {
            foreach (var linear in Linears) linear.Initialize(version, seed, estimate);
        }
        else
        {
            Load(version, initialAdapter);
        }

        var names = LambdaNames;
        if (names.Count > 0) Adapters.InitializeLambda(Method, version, Linears, estimate);
        for (var i = 0; i < names.Count && initialAdapter is not null && Method.Lambda.Fixed is null; i++)
        {
            if (initialAdapter.ShapeOf(names[i]) is null) continue;
            using var lambda = initialAdapter.Get(names[i]);
            version.Lambda[i] = Math.Clamp(lambda.item<float>(), Method.Lambda.Min, Method.Lambda.Max);
        }

        version.Step = 0;
        version.Invalidate();
    }

    public sealed override GradientMeasure Measure(LayerVersion version, Tensor gradient)
    {
        if (gradient.numel() != Layout.Size)
            throw new ArgumentException($"layer {Layer}: the gradient has {gradient.numel()} elements, its layout {Layout.Size}");
        return new GradientMeasure(
            FixedOrder.SquaredNorm(gradient, 0, Layout.Size),
            Adapters.NextLambda(Method, version, Linears, gradient)
        )
        {
            Components = Components(gradient),
            OrthogonalityError = Linears.Max(linear => linear.OrthogonalityError(version)),
            UnitarityError = Linears.Max(linear => linear.UnitarityError(version)),
        };
    }

    public sealed override void Apply(LayerVersion current, LayerVersion next, Tensor gradient, OptimizerStep step)
    {
        if (ReferenceEquals(current, next)) throw new ArgumentException("the next version needs its own buffers");
        optimizer.Apply(current, next, gradient, step);
        next.CopyConstants(current);
        foreach (var linear in Linears) linear.AfterStep(current, next, gradient, step);
        step.NextLambda.CopyTo(next.Lambda, 0);
        next.Step = step.Step;
        next.Invalidate();
        // The former version is kept for recovery, seldom computed with again: what was derived from it can be made anew.
        current.Invalidate();
    }

    public sealed override IReadOnlyList<(string Name, Tensor Value)> Export(LayerVersion version)
    {
        using var scope = NewDisposeScope();
        var result = new List<(string, Tensor)>();
        foreach (var slot in Layout.Trainable)
            result.Add((slot.Name, InFile(slot, version).DetachFromDisposeScope()));
        foreach (var slot in Layout.Constants)
            result.Add(
                (
                    slot.Name,
                    slot.View(version.Constants)
                        .to(slot.Options.IsIndex ? ScalarType.Int64 : ScalarType.Float32, copy: true)
                        .DetachFromDisposeScope()
                )
            );
        var names = LambdaNames;
        for (var i = 0; i < names.Count; i++) result.Add((names[i], tensor((float)version.Lambda[i]).DetachFromDisposeScope()));
        return result;
    }

    public sealed override IReadOnlyList<(string Name, Tensor Value)> ExportMerged(LayerVersion version, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var result = new List<(string, Tensor)>();
        foreach (var tensor in Tensors.Where(IsExported)) result.Add((tensor.Name, tensor.Copy(version, dtype).DetachFromDisposeScope()));
        foreach (var linear in Linears)
        {
            using var inner = NewDisposeScope();
            result.Add((linear.Site.WeightName, linear.Merged(version).to(dtype).DetachFromDisposeScope()));
            if (linear.Bias(version) is { } bias) result.Add((linear.Site.BiasName, bias.to(dtype).DetachFromDisposeScope()));
        }

        return result;
    }

    public override void Dispose()
    {
        foreach (var tensor in Tensors) tensor.Dispose();
        foreach (var linear in Linears) linear.Dispose();
    }

    /// <summary>Whether a base tensor is written under its own name; a tied head is not.</summary>
    protected virtual bool IsExported(BaseTensor tensor) => true;

    /// <summary>Makes the linears of the layer, adapted where the method's targets are.</summary>
    protected void AdaptLinears()
    {
        var adapted = 0;
        foreach (var site in Model.Linears(Layer))
        {
            var adapts = Adapters.Traits.TrainsBase || TargetModules.Targets(Method, site.Name);
            Linears.Add(adapts ? Adapters.Adapt(site, Context.At(site), adapted++) : new PlainLinear(site, Context));
        }
    }

    /// <summary>
    /// To be called when all linears and tensors are there. Matrices come before vectors, so that weight decay covers one range.
    /// </summary>
    protected void Seal()
    {
        // A tensor that is described but taken by no shard would be neither computed with, nor trained, nor exported.
        if (Model.Tensors(Layer).FirstOrDefault(described => Tensors.TrueForAll(taken => taken.Name != described.Name)) is { } left)
            throw new UnreachableException($"family {Model.Family}: {GetType().Name} takes no tensor '{left.Name}' of layer {Layer}");
        var builder = new LayoutBuilder();
        foreach (var linear in Linears) linear.Declare(builder);
        foreach (var tensor in Tensors) tensor.Declare(builder);
        builder.LambdaCount = Adapters.LambdaCount(Method, Linears.Count(static linear => linear.Trains));
        layout = builder.Build(moments: Context.Setup.Optimizer.Name == OptimizerName.AdamW);
        optimizer = new FlatOptimizer(Context.Setup.Optimizer, layout);
    }

    private AdapterMethod Adapters => Context.Adapters;

    private IReadOnlyList<string> LambdaNames => Linears.Count == 0 ? [] : Adapters.LambdaNames(Method, Model.BlockPrefix(Layer), Linears);

    private Dictionary<string, double> Components(Tensor gradient)
    {
        var components = new Dictionary<string, double>();
        foreach (var slot in Layout.Trainable)
        {
            var squared = FixedOrder.SquaredNorm(gradient, slot.Offset, slot.Count);
            components[slot.Component] = components.GetValueOrDefault(slot.Component) + squared;
        }

        return components;
    }

    private static Tensor InFile(ParameterSlot slot, LayerVersion version)
    {
        var value = slot.View(version.Parameters);
        return slot.Options.Stored is { } form ? form.Write(value) : value.clone();
    }

    private void Load(LayerVersion version, AdapterTensors adapter)
    {
        var type = adapter.PeftType;
        if (Adapters.Traits.PeftType is null || type != Adapters.Traits.PeftType)
            throw new PeftException(
                $"{adapter.Folder}: an adapter of peft_type {type} cannot start a run of method {Adapters.Traits.Word}"
            );
        var expected = new HashSet<string>(LambdaNames, StringComparer.Ordinal);
        foreach (var (slots, buffer) in new[] { (Layout.Trainable, version.Parameters), (Layout.Constants, version.Constants) })
        {
            foreach (var slot in slots)
            {
                expected.Add(slot.Name);
                var lacks = adapter.ShapeOf(slot.Name) is null;
                if (lacks && slot.Options.MayLack) continue;
                var source = lacks ? slot.Options.Substitute ?? slot.Name : slot.Name;
                var shape = adapter.ShapeOf(source)
                    ?? throw new PeftException(
                        $"{adapter.Folder}: there is no tensor '{slot.Name}'; method and target_modules must be those the adapter was "
                            + "trained with"
                    );
                var needed = slot.Options.Stored?.Shape ?? slot.Shape;
                if (!shape.AsSpan().SequenceEqual(needed))
                    throw new PeftException(
                        $"{adapter.Folder}: tensor '{slot.Name}' has shape [{string.Join(", ", shape)}], but this run needs "
                            + $"[{string.Join(", ", needed)}]; rank, blocks and model must be those the adapter was trained with"
                    );
                using var scope = NewDisposeScope();
                var value = adapter.Get(source);
                slot.View(buffer).copy_(slot.Options.Stored is { } form ? form.Read(value) : value);
            }
        }

        if (Layer == 0) return;
        // The head answers for blocks that the model does not have.
        var prefix = $"base_model.model.{Model.BlockPrefix(Layer)}";
        foreach (var name in adapter.Names)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal) && !expected.Contains(name))
                throw new PeftException(
                    $"{adapter.Folder}: tensor '{name}' has no place in this run; target_modules and options must be those the adapter was "
                        + "trained with"
                );
        }
    }
}
