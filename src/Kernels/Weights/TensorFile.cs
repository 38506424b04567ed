using System.Security.Cryptography;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Weights;

/// <summary>Copies between safetensors files and CPU tensors.</summary>
public static class TensorFile
{
    private const int LargestSpan = 1 << 30;

    /// <summary>A fresh 64-byte aligned CPU tensor with an entry's contents.</summary>
    internal static Tensor ReadInto(string path, SafeTensorsEntry entry, ScalarType type)
    {
        var result = empty(entry.Shape, type, CPU);
        if (entry.Bytes == 0) return result;
        using var handle = File.OpenHandle(path);
        using var flat = result.view(-1);
        var element = entry.Bytes / result.numel();
        for (var done = 0L; done < entry.Bytes;)
        {
            var length = Math.Min(entry.Bytes - done, LargestSpan);
            using var part = flat.narrow(0, done / element, length / element);
            var span = part.bytes;
            for (var filled = 0; filled < span.Length;)
            {
                var read = RandomAccess.Read(handle, span[filled..], entry.Offset + done + filled);
                if (read == 0) throw new PeftException($"{path}: the file ends inside tensor '{entry.Name}'; fetch it again");
                filled += read;
            }

            done += length;
        }

        return result;
    }

    /// <summary>sha256 of a contiguous CPU tensor's bytes, hexadecimal.</summary>
    internal static string Sha256(Tensor value)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var flat = value.view(-1);
        var (total, element) = (flat.numel(), value.element_size());
        for (var done = 0L; done < total;)
        {
            var count = Math.Min(total - done, LargestSpan / element);
            using var part = flat.narrow(0, done, count);
            hash.AppendData(part.bytes);
            done += count;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Writes tensors of any device as a safetensors file, in the order of their names.</summary>
    public static void Write(string path, IEnumerable<(string Name, Tensor Value)> tensors) =>
        SafeTensorsWriter.Write(
            path,
            [
                .. tensors
                    .OrderBy(static tensor => tensor.Name, StringComparer.Ordinal)
                    .Select(static tensor => new SafeTensorsTensor(
                        tensor.Name,
                        HeaderType(tensor.Value.dtype),
                        tensor.Value.shape,
                        stream => Write(stream, tensor.Value)
                    )),
            ]
        );

    /// <summary>Writes a tensor's bytes, row by row.</summary>
    internal static void Write(Stream stream, Tensor value)
    {
        using var scope = NewDisposeScope();
        var flat = value.cpu().contiguous().view(-1);
        var total = flat.numel();
        var element = value.element_size();
        for (var done = 0L; done < total;)
        {
            var count = Math.Min(total - done, LargestSpan / element);
            stream.Write(flat.narrow(0, done, count).bytes);
            done += count;
        }
    }

    internal static SafeTensorsType HeaderType(ScalarType type) => type switch
    {
        ScalarType.Float32 => SafeTensorsType.F32,
        ScalarType.BFloat16 => SafeTensorsType.BF16,
        ScalarType.Float16 => SafeTensorsType.F16,
        ScalarType.Float64 => SafeTensorsType.F64,
        ScalarType.Int64 => SafeTensorsType.I64,
        _ => throw new System.Diagnostics.UnreachableException($"no tensor of type {type} is written"),
    };
}
