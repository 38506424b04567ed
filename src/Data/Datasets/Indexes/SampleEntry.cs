using System.Runtime.InteropServices;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Indexes;

/// <summary>Where a sample lies, and what is known of it: 24 bytes of an index, little-endian.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal readonly struct SampleEntry
{
    /// <summary>Bytes of an entry.</summary>
    public const int Size = 24;

    // A file has at most 2^48 bytes, a conversation at most 2^15 replies.
    private const int OffsetBits = 48;
    private const int MostParts = 1 << 15;
    private const uint Silent = 1u << 31;

    private readonly long place;
    private readonly uint tokens;

    /// <summary>A sample of a record.</summary>
    /// <param name="offset">Where the record's text begins in the (unpacked) file.</param>
    /// <param name="bytes">Length of its text.</param>
    /// <param name="number">Line, element or row, from 1.</param>
    /// <param name="hash">Hash of its text.</param>
    /// <param name="part">Which of the record's samples, from 0.</param>
    /// <param name="length">Its tokens; 0: not known yet.</param>
    /// <param name="learns">Whether any of its tokens is learned; of a length not known: true.</param>
    /// <exception cref="FormatException">The record has too many samples.</exception>
    public SampleEntry(long offset, int bytes, int number, uint hash, int part = 0, int length = 0, bool learns = true)
    {
        if (part >= MostParts) throw new FormatException($"more than {MostParts:N0} replies; split the conversation");
        place = offset | ((long)part << OffsetBits);
        (Bytes, Number, Hash) = (bytes, number, hash);
        tokens = (uint)length | (learns ? 0 : Silent);
    }

    /// <summary>Length of the record's text, bytes.</summary>
    public int Bytes { get; }

    /// <summary>Line, element or row, from 1.</summary>
    public int Number { get; }

    /// <summary>Hash of the record's text.</summary>
    public uint Hash { get; }

    /// <summary>Where the record's text begins in the (unpacked) file.</summary>
    public long Offset => place & ((1L << OffsetBits) - 1);

    /// <summary>Which of the record's samples, from 0.</summary>
    public int Part => (int)(place >> OffsetBits);

    /// <summary>Tokens; 0: not known yet.</summary>
    public int Length => (int)(tokens & ~Silent);

    /// <summary>Whether a token of it is learned, as far as is known.</summary>
    public bool Learns => (tokens & Silent) == 0;
}

/// <summary>A file that an index is of.</summary>
/// <param name="Part">Which source of training data, from 0; after them validation data.</param>
/// <param name="Path">Its path.</param>
/// <param name="Stamp">What the file system said of it.</param>
/// <param name="Sha256">Hash of its content.</param>
/// <param name="Place">What a record of it is called: line, element, row.</param>
/// <param name="Packed">Whether its text lies elsewhere, unpacked.</param>
/// <param name="TextBytes">Length of its text, unpacked, where it is packed.</param>
/// <param name="Samples">Number of its samples.</param>
/// <param name="Dropped">Samples left out for their length.</param>
internal sealed record IndexedFile(
    int Part,
    string Path,
    Data.Files.FileStamp Stamp,
    string Sha256,
    string Place,
    bool Packed,
    long TextBytes,
    int Samples,
    int Dropped
)
{
    /// <summary>A record of it that is refused.</summary>
    public PeftException Refused(int number, string why) => new(WrongRecords.At(Path, Place, number, why));
}
