using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>
/// Writes an index: a mark with the version, an entry per sample, what they are of as JSON with its length, and a hash over all of it.
/// Until it is whole it has another name, or none.
/// </summary>
internal sealed class IndexWriter : IDisposable
{
    /// <summary>The mark; its digits are the version of the form.</summary>
    internal static ReadOnlySpan<byte> Mark => "PEFTIDX1"u8;

    /// <summary>Bytes of the hash at the end.</summary>
    internal const int HashBytes = 16;

    private readonly XxHash128 hash = new();
    private readonly FileStream file;
    private readonly string? target;
    private bool finished;

    /// <summary>Begins an index.</summary>
    /// <param name="target">Where it will lie; null: nowhere, it is gone with the process.</param>
    /// <exception cref="PeftException">It cannot be written.</exception>
    public IndexWriter(string? target)
    {
        this.target = target;
        file = Scratch.Create(target);
        Write(Mark);
    }

    /// <summary>Adds entries.</summary>
    public void Add(ReadOnlySpan<SampleEntry> entries) => Write(MemoryMarshal.AsBytes(entries));

    /// <summary>Ends the index, which is the caller's then.</summary>
    public FileStream Finish(string key, IReadOnlyList<IndexedFile> files)
    {
        var head = JsonSerializer.SerializeToUtf8Bytes(new IndexHead(key, [.. files]), IndexHead.Options);
        Write(head);
        Write(MemoryMarshal.AsBytes<int>([head.Length]));
        Span<byte> sum = stackalloc byte[HashBytes];
        hash.GetCurrentHash(sum);
        Try(sum);
        finished = true;
        return Scratch.Finish(file, target);
    }

    public void Dispose()
    {
        if (!finished) Scratch.Abandon(file, target);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        hash.Append(bytes);
        Try(bytes);
    }

    private void Try(ReadOnlySpan<byte> bytes)
    {
        try
        {
            file.Write(bytes);
        }
        catch (IOException error)
        {
            throw Scratch.Unwritable(target, error);
        }
    }
}

/// <summary>What an index is of.</summary>
/// <param name="Key">Hash of all settings that its entries depend on.</param>
/// <param name="Files">Its files, in order.</param>
internal sealed record IndexHead(string Key, IndexedFile[] Files)
{
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };
}
