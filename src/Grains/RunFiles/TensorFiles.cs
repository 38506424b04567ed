using Peft.Orleans.Data.SafeTensors;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.RunFiles;

/// <summary>Writes tensors as safetensors files.</summary>
internal static class TensorFiles
{
    private const int PieceElements = 1 << 22;

    /// <summary>Writes contiguous CPU tensors in name order.</summary>
    internal static void Write(string path, IReadOnlyList<(string Name, Tensor Value)> tensors) =>
        SafeTensorsWriter.Write(
            path,
            [
                .. tensors
                    .OrderBy(static tensor => tensor.Name, StringComparer.Ordinal)
                    .Select(static tensor => new SafeTensorsTensor(tensor.Name, TypeOf(tensor.Value.dtype), tensor.Value.shape, stream =>
                        WriteBytes(stream, tensor.Value)
                    )),
            ]
        );

    private static void WriteBytes(Stream stream, Tensor value)
    {
        using var scope = NewDisposeScope();
        var flat = value.cpu().contiguous().view(-1);
        for (long start = 0; start < flat.numel(); start += PieceElements)
            stream.Write(flat.narrow(0, start, Math.Min(PieceElements, flat.numel() - start)).bytes);
    }

    private static SafeTensorsType TypeOf(ScalarType type) => type switch
    {
        ScalarType.Float32 => SafeTensorsType.F32,
        ScalarType.BFloat16 => SafeTensorsType.BF16,
        ScalarType.Float16 => SafeTensorsType.F16,
        ScalarType.Float64 => SafeTensorsType.F64,
        ScalarType.Int64 => SafeTensorsType.I64,
        _ => throw new NotSupportedException($"tensors of type {type} are not written"),
    };
}
