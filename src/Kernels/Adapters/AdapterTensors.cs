using Peft.Orleans.Core;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Adapters;

/// <summary>The tensors of an adapter folder, ours or PEFT's, read one by one when asked for.</summary>
public sealed class AdapterTensors
{
    private readonly AdapterFolder adapter;

    private AdapterTensors(AdapterFolder adapter) => this.adapter = adapter;

    /// <summary>The folder.</summary>
    public string Folder => adapter.Path;

    /// <summary><c>peft_type</c> of its configuration.</summary>
    public string PeftType => adapter.PeftType;

    /// <summary>Names of all tensors, as PEFT writes them now.</summary>
    public IEnumerable<string> Names => adapter.Tensors.Keys;

    /// <summary>Opens an adapter folder.</summary>
    /// <exception cref="PeftException">A file is missing or malformed, or an option is not implemented; names it.</exception>
    public static AdapterTensors Read(string folder) => new(AdapterFolder.Read(folder));

    /// <summary>Shape of a tensor, or null where there is none of that name.</summary>
    public long[]? ShapeOf(string name) => adapter.Tensors.GetValueOrDefault(name)?.Shape;

    /// <summary>A tensor in fp32 on the CPU; owned by the caller.</summary>
    /// <exception cref="PeftException">There is no such tensor, or it is of another type.</exception>
    public Tensor Get(string name)
    {
        var entry = adapter.Tensors.GetValueOrDefault(name)
            ?? throw new PeftException(
                $"{adapter.Weights.Path}: there is no tensor '{name}'; the adapter belongs to another model, method or target_modules"
            );
        var type = entry.Type switch
        {
            SafeTensorsType.F32 => ScalarType.Float32,
            SafeTensorsType.BF16 => ScalarType.BFloat16,
            SafeTensorsType.F16 => ScalarType.Float16,
            SafeTensorsType.F64 => ScalarType.Float64,
            SafeTensorsType.I64 => ScalarType.Int64,
            _ => throw new PeftException(
                $"{adapter.Weights.Path}: tensor '{name}' is {entry.Type.HeaderName()}; adapters are read from F32, BF16, F16, F64 and, "
                    + "for indices, I64"
            ),
        };
        using var scope = NewDisposeScope();
        return TensorFile.ReadInto(adapter.Weights.Path, entry, type).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
