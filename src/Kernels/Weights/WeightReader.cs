using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Weights;

/// <summary>
/// Reads base weights from a Hugging Face folder. A tensor that is held as it is stored is mapped where it starts on a 64-byte boundary,
/// else copied into a fresh aligned block: fp32 products change bits with the alignment of their operands.
/// </summary>
/// <param name="files">The files.</param>
/// <param name="device">Where weights go.</param>
/// <param name="hashes">Takes the sha256 of each tensor that is read, over its bytes as stored; null: none is wanted.</param>
internal sealed class WeightReader(WeightFiles files, Device device, IDictionary<string, string>? hashes = null) : IDisposable
{
    private const int Alignment = 64;

    private static long bytesRead;

    private readonly Dictionary<string, Tensor> mappings = new(StringComparer.Ordinal);

    internal static long BytesRead => Interlocked.Read(ref bytesRead);

    /// <summary>A weight in <paramref name="dtype"/>; owned by the caller, outside any dispose scope.</summary>
    internal Tensor Read(string name, long[] shape, ScalarType dtype)
    {
        if (!files.TryFind(name, out var path, out var entry))
            throw new PeftException(
                $"{files.Folder}: there is no tensor '{name}'; the folder does not hold the model its config.json describes"
            );
        if (!entry.Shape.AsSpan().SequenceEqual(shape))
            throw new PeftException(
                $"{path}: tensor '{name}' has shape [{string.Join(", ", entry.Shape)}], but config.json asks for "
                    + $"[{string.Join(", ", shape)}]"
            );
        using var scope = NewDisposeScope();
        var stored = TypeOf(path, entry);
        Interlocked.Add(ref bytesRead, entry.Bytes);
        var mapped = stored == dtype && device.type == DeviceType.CPU && entry.Offset % Alignment == 0;
        var raw = mapped ? Map(path, entry, stored).view(shape) : TensorFile.ReadInto(path, entry, stored);
        // Whoever computes with a mapped weight reads its pages: here they are read ahead.
        if (hashes is not null) hashes[name] = TensorFile.Sha256(raw);
        return (mapped ? raw : raw.to(dtype).to(device)).DetachFromDisposeScope();
    }

    internal bool Has(string name) => files.TryFind(name, out _, out _);

    public void Dispose()
    {
        foreach (var mapping in mappings.Values) mapping.Dispose();
        mappings.Clear();
    }

    private static ScalarType TypeOf(string path, SafeTensorsEntry entry) =>
        entry.Type switch
        {
            SafeTensorsType.F32 => ScalarType.Float32,
            SafeTensorsType.BF16 => ScalarType.BFloat16,
            SafeTensorsType.F16 => ScalarType.Float16,
            SafeTensorsType.F64 => ScalarType.Float64,
            _ => throw new PeftException(
                $"{path}: tensor '{entry.Name}' is stored as {entry.Type.HeaderName()}; weights are read from F32, BF16, F16 and F64"
            ),
        };

    private Tensor Map(string path, SafeTensorsEntry entry, ScalarType type)
    {
        var size = entry.Bytes / entry.Shape.Aggregate(1L, static (a, b) => a * b);
        var key = $"{size}:{path}";
        if (!mappings.TryGetValue(key, out var mapping))
        {
            // Of what a link points to: the cache of the Hub is full of them.
            using var file = File.OpenHandle(path);
            var elements = RandomAccess.GetLength(file) / size;
            mappings[key] = mapping = from_file(path, shared: false, size: elements, dtype: type).DetachFromDisposeScope();
        }

        return mapping.narrow(0, entry.Offset / size, entry.Bytes / size);
    }
}
