using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Kernels.Torch;

namespace Peft.Orleans.Tests;

/// <summary>What a run's shards are made of, for tests that make shards themselves.</summary>
internal static class RunSetup
{
    /// <summary>The run resolved as a silo resolves it, its model opened as an agent opens it.</summary>
    internal static ModelSetup Of(RunSpec spec)
    {
        var model = ModelFolder.Open(spec.Model.Path);
        return ModelSetup.Of(RunResolver.Resolve(spec, model, threads: 1, products: TorchRuntime.ProductsOf).Setup);
    }
}
