using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Weights;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests;

/// <summary>Writes tensors as safetensors files.</summary>
internal static class TensorWriting
{
    internal static void Write(string path, IEnumerable<(string Name, Tensor Value)> tensors) =>
        SafeTensorsWriter.Write(
            path,
            [
                .. tensors.Select(static pair => new SafeTensorsTensor(
                    pair.Name,
                    TensorFile.HeaderType(pair.Value.dtype),
                    pair.Value.shape,
                    stream => TensorFile.Write(stream, pair.Value)
                )),
            ]
        );
}
