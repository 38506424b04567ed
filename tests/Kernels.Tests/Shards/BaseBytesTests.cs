using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Models;
using Peft.Orleans.Data.Runs;
using Peft.Orleans.Kernels.Tests.Methods.Conformance;
using Peft.Orleans.Kernels.Tests.Models;

namespace Peft.Orleans.Kernels.Tests.Shards;

/// <summary>What the plan counts for base weights is what the shards hold, whether the run file says a type or the model does.</summary>
public class BaseBytesTests
{
    public static TheoryData<string, WeightType?> Cases()
    {
        var data = new TheoryData<string, WeightType?>();
        foreach (var method in MethodCase.All)
        {
            foreach (var dtype in new WeightType?[] { null, WeightType.Float32, WeightType.BFloat16, WeightType.Float16 })
                data.Add(method.Name, dtype);
        }

        return data;
    }

    [Theory, MemberData(nameof(Cases))]
    public void Planned_bytes_are_held_bytes(string name, WeightType? dtype)
    {
        using var model = new TinyModel();
        var spec = Specs.Of(model.Folder, MethodCase.Of(name).Method) with { Model = new ModelSpec { Path = model.Folder, Dtype = dtype } };
        var run = RunResolver.Resolve(spec, ModelFolder.Open(model.Folder), threads: 1);
        using var pipeline = new LocalPipeline(run.Spec);
        var planned = MemoryModel.Layers(run, columns: 16, inFlight: 1).Select(static layer => layer.Base);
        Assert.Equal(planned, pipeline.Shards.Select(static shard => shard.BaseBytes));
    }
}
