using System.Text.Json;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Kernels.Torch;
using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters.Hybrid;

/// <summary>Hybrid's layer state: the mixing coefficient λ, from the norms of the two gradients (Alg. 2).</summary>
internal sealed class HybridMethod : AdapterMethod
{
    internal override MethodName Name => MethodName.Hybrid;

    internal override void WriteConfig(Utf8JsonWriter json, AdapterOrigin origin) => AdapterConfigWriter.WriteOwn(json, origin, Traits);

    internal override AdaptedLinear Adapt(LinearSite site, ShardContext context, int adapted) =>
        new HybridLinear(site, context, context.Method.Lambda.Granularity == LambdaGranularity.Module ? adapted : 0);

    internal override int LambdaCount(MethodSpec method, int adapted) =>
        adapted == 0 ? 0 : method.Lambda.Granularity == LambdaGranularity.Module ? adapted : 1;

    internal override void InitializeLambda(
        MethodSpec method,
        LayerVersion version,
        IReadOnlyList<AdaptedLinear> linears,
        BaseGradientEstimate? estimate
    )
    {
        var options = method.Lambda;
        if ((options.Fixed ?? options.InitialNumber) is { } number)
        {
            Array.Fill(version.Lambda, number);
            return;
        }

        Array.Fill(version.Lambda, 0.5);
        if (estimate is null) return;
        for (var i = 0; i < version.Lambda.Length; i++)
        {
            var norms = linears
                .OfType<HybridLinear>()
                .Where(linear => linear.LambdaIndex == i)
                .Select(linear => linear.InitialNorms(version, estimate))
                .ToArray();
            var (lora, rotation) = (Math.Sqrt(norms.Sum(static norm => norm.Lora)), Math.Sqrt(norms.Sum(static norm => norm.Rotation)));
            if (lora + rotation > 0) version.Lambda[i] = Math.Clamp(lora / (lora + rotation), options.Min, options.Max);
        }
    }

    internal override double[] NextLambda(MethodSpec method, LayerVersion version, IReadOnlyList<AdaptedLinear> linears, Tensor gradient)
    {
        var options = method.Lambda;
        var next = version.Lambda.ToArray();
        for (var i = 0; i < next.Length; i++)
        {
            if (options.Fixed is { } constant)
            {
                next[i] = constant;
                continue;
            }

            var (lora, rotation) = (0.0, 0.0);
            foreach (var linear in linears.OfType<HybridLinear>().Where(linear => linear.LambdaIndex == i))
            {
                var (down, up, theta) = linear.Slots;
                lora += FixedOrder.SquaredNorm(gradient, down.Offset, down.Count);
                lora += FixedOrder.SquaredNorm(gradient, up.Offset, up.Count);
                rotation += FixedOrder.SquaredNorm(gradient, theta.Offset, theta.Count);
            }

            (lora, rotation) = (Math.Sqrt(lora), Math.Sqrt(rotation));
            if (options.Norms == LambdaNorms.Unmixed)
            {
                // In the mixed forward pass ∂L/∂A carries λ and ∂L/∂Q carries 1−λ; without dividing them out λ runs into a bound.
                lora /= next[i];
                rotation /= 1 - next[i];
            }

            if (lora + rotation > 0)
                next[i] = Math.Clamp((options.Ema * next[i]) + ((1 - options.Ema) * (lora / (lora + rotation))), options.Min, options.Max);
        }

        return next;
    }

    internal override IReadOnlyList<string> LambdaNames(MethodSpec method, string layerPrefix, IReadOnlyList<AdaptedLinear> linears)
    {
        var adapted = linears.OfType<HybridLinear>().ToArray();
        if (adapted.Length == 0) return [];
        return method.Lambda.Granularity == LambdaGranularity.Module
            ? [.. adapted.Select(static linear => $"{linear.Site.AdapterPrefix}.lambda")]
            : [$"base_model.model.{layerPrefix}lambda"];
    }
}
