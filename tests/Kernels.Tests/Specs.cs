using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Kernels.Tests;

/// <summary>Run specs for tests.</summary>
internal static class Specs
{
    internal static RunSpec Of(string model, MethodSpec method, WeightType dtype = WeightType.Float32, ProductType? products = null) =>
        new()
        {
            Name = "test",
            Model = new ModelSpec { Path = model, Dtype = dtype },
            Method = method,
            Training = new TrainingSpec
            {
                Steps = 5,
                MaxGradNorm = null,
                Recompute = RecomputePolicy.Never,
            },
            Compute = new ComputeSpec { Products = products },
        };

    internal static RunSpec Full(string model, WeightType dtype = WeightType.Float32) =>
        Of(model, new MethodSpec { Name = MethodName.Full }, dtype);

    internal static RunSpec Lora(string model, string[] targets, int rank, double alpha, bool rslora = false, double dropout = 0) =>
        Of(
            model,
            new MethodSpec
            {
                Name = MethodName.Lora,
                TargetModules = targets,
                Lora = new LoraSpec
                {
                    Rank = rank,
                    Alpha = alpha,
                    Rslora = rslora,
                    Dropout = dropout,
                },
            }
        );

    internal static RunSpec Hybrid(
        string model,
        string[] targets,
        int rank,
        double alpha,
        int block,
        int factors,
        LambdaNorms norms = LambdaNorms.Unmixed
    ) =>
        Of(
            model,
            new MethodSpec
            {
                Name = MethodName.Hybrid,
                TargetModules = targets,
                Lora = new LoraSpec { Rank = rank, Alpha = alpha },
                Boft = new BoftSpec
                {
                    BlockSize = block,
                    ButterflyFactors = factors,
                    Side = BoftSide.Output,
                },
                Lambda = new LambdaSpec { Norms = norms },
                InitialAdapter = "given",
            }
        );
}
