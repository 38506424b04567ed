using System.IO.Hashing;
using System.Runtime.InteropServices;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Kernels.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Versions;

/// <summary>A layer version as a file and as a hash. Equal versions give equal bytes.</summary>
public static class VersionCodec
{
    private const string StepName = "step";
    private const string LambdaName = "lambda";

    /// <summary>The tensors that are the version, in a fixed order: owned by the version.</summary>
    public static IReadOnlyList<(string Name, Tensor Value)> Buffers(LayerVersion version) =>
    [
        ("parameters", version.Parameters), ("first_moment", version.FirstMoment),
        ("second_moment", version.SecondMoment), ("constants", version.Constants),
    ];

    /// <summary>Writes a safetensors file.</summary>
    /// <exception cref="PeftException">The file cannot be written.</exception>
    public static void Write(LayerVersion version, string path)
    {
        var tensors = Buffers(version)
            .Select(static buffer => new SafeTensorsTensor(buffer.Name, SafeTensorsType.F32, buffer.Value.shape, stream =>
                TensorFile.Write(stream, buffer.Value)
            ))
            .ToList();
        tensors.Add(
            new SafeTensorsTensor(LambdaName, SafeTensorsType.F64, [version.Lambda.Length], stream =>
                stream.Write(MemoryMarshal.AsBytes(version.Lambda.AsSpan()))
            )
        );
        tensors.Add(
            new SafeTensorsTensor(StepName, SafeTensorsType.I64, [1], stream => stream.Write(BitConverter.GetBytes((long)version.Step)))
        );
        SafeTensorsWriter.Write(path, tensors);
    }

    /// <summary>Reads a file into a version of the same layout.</summary>
    /// <exception cref="PeftException">The file is damaged or of another layout.</exception>
    public static void Read(LayerVersion version, string path)
    {
        var header = SafeTensorsHeader.Read(path);
        foreach (var (name, buffer) in Buffers(version))
        {
            using var scope = NewDisposeScope();
            var entry = Find(header, name, SafeTensorsType.F32, buffer.numel());
            buffer.copy_(TensorFile.ReadInto(path, entry, ScalarType.Float32));
        }

        Find(header, LambdaName, SafeTensorsType.F64, version.Lambda.Length);
        MemoryMarshal.Cast<byte, double>(header.ReadBytes(LambdaName)).CopyTo(version.Lambda);
        Find(header, StepName, SafeTensorsType.I64, 1);
        version.Step = (int)BitConverter.ToInt64(header.ReadBytes(StepName));
        version.Invalidate();
    }

    /// <summary>Reads a file into buffers of its own, on the CPU: of a layer that does not compute here.</summary>
    /// <exception cref="PeftException">The file is damaged.</exception>
    public static LayerVersion Load(string path)
    {
        var header = SafeTensorsHeader.Read(path);
        var lambda = MemoryMarshal.Cast<byte, double>(header.ReadBytes(Find(header, LambdaName, SafeTensorsType.F64).Name)).ToArray();
        var step = (int)BitConverter.ToInt64(header.ReadBytes(Find(header, StepName, SafeTensorsType.I64).Name));
        return new LayerVersion(Buffer("parameters"), Buffer("first_moment"), Buffer("second_moment"), Buffer("constants"), lambda)
        {
            Step = step,
        };

        Tensor Buffer(string name) => TensorFile.ReadInto(path, Find(header, name, SafeTensorsType.F32), ScalarType.Float32);
    }

    /// <summary>XxHash128 of step, λ and all buffers, in hexadecimal.</summary>
    public static string Hash(LayerVersion version)
    {
        var hash = new XxHash128();
        hash.Append(BitConverter.GetBytes((long)version.Step));
        hash.Append(MemoryMarshal.AsBytes(version.Lambda.AsSpan()));
        using var sink = new HashStream(hash);
        foreach (var (_, buffer) in Buffers(version)) TensorFile.Write(sink, buffer);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>A version whose hash was noted has the bytes it had then.</summary>
    /// <exception cref="DamagedMemoryException">It has others.</exception>
    public static void RequireIntact(LayerVersion version)
    {
        if (version.Hash is { } noted && Hash(version) != noted) throw new DamagedMemoryException($"version {version.Step}");
    }

    private static SafeTensorsEntry Find(SafeTensorsHeader header, string name, SafeTensorsType type)
    {
        var entry = header.Entries.GetValueOrDefault(name)
            ?? throw new PeftException($"{header.Path}: there is no tensor '{name}'; it is no snapshot of a layer");
        return entry.Type == type
            ? entry
            : throw new PeftException(
                $"{header.Path}: tensor '{name}' is {entry.Type.HeaderName()}, not {type.HeaderName()}; it is no snapshot of a layer"
            );
    }

    private static SafeTensorsEntry Find(SafeTensorsHeader header, string name, SafeTensorsType type, long count)
    {
        var entry = header.Entries.GetValueOrDefault(name)
            ?? throw new PeftException($"{header.Path}: there is no tensor '{name}'; it is no snapshot of a layer");
        if (entry.Type != type || entry.Shape.Aggregate(1L, static (a, b) => a * b) != count)
            throw new PeftException(
                $"{header.Path}: tensor '{name}' is {entry.Type.HeaderName()} [{string.Join(", ", entry.Shape)}], but this run needs "
                    + $"{type.HeaderName()} [{count}]: a snapshot of another run or version"
            );
        return entry;
    }

    private sealed class HashStream(XxHash128 hash) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => hash.Append(buffer);
    }
}
