using System.Buffers.Binary;
using System.Text;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Data.SafeTensors;
using Peft.Orleans.Data.Tokenizers;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Fuzz;

/// <summary>A reader of a file in a folder.</summary>
/// <param name="name">The file.</param>
internal abstract class FileTarget(string name) : FuzzTarget
{
    // In memory where the system has such a place: a million files are written.
    private readonly string folder = Directory.CreateDirectory(
        Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), "fuzz-" + Guid.NewGuid().ToString("N"))).FullName;

    /// <summary>The folder.</summary>
    protected string Folder => folder;

    /// <summary>The file.</summary>
    protected string File => Path.Combine(folder, name);

    internal override bool Read(byte[] input)
    {
        System.IO.File.WriteAllBytes(File, input);
        try
        {
            Open();
            return true;
        }
        catch (PeftException)
        {
            return false;
        }
    }

    /// <summary>Reads it.</summary>
    protected abstract void Open();

    public override void Dispose() => Directory.Delete(folder, recursive: true);
}

/// <summary>Headers of safetensors files.</summary>
internal sealed class SafeTensorsTarget() : FileTarget("model.safetensors")
{
    private const string Header =
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}""";

    private static readonly byte[] Data = new byte[32];

    internal override Gen<byte[]> Inputs => Gen.Frequency(
        (3, Damage.OfJson(Encoding.UTF8.GetBytes(Header)).Select(static header => File((ulong)header.Length, header))),
        (1, Gen.Select(Gen.ULong, Damage.OfJson(Encoding.UTF8.GetBytes(Header))).Select(File)),
        (1, Damage.OfBytes(File((ulong)Header.Length, Encoding.UTF8.GetBytes(Header)))));

    protected override void Open()
    {
        var header = SafeTensorsHeader.Read(base.File);
        foreach (var tensor in header.Entries.Keys) header.ReadBytes(tensor);
    }

    private static new byte[] File(ulong length, byte[] header)
    {
        var prefix = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, length);
        return [.. prefix, .. header, .. Data];
    }
}

/// <summary>Indexes of models in several files.</summary>
internal sealed class IndexTarget() : FileTarget("model.safetensors.index.json")
{
    internal override Gen<byte[]> Inputs => Damage.OfJson(
        """{"metadata":{"total_size":32},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"""u8
            .ToArray());

    protected override void Open() => WeightFiles.Open(Folder);
}

/// <summary>Vocabularies.</summary>
internal sealed class TokenizerTarget() : FileTarget("tokenizer.json")
{
    private const string Valid = """
        {"version":"1.0","truncation":null,"padding":null,
        "added_tokens":[{"id":4,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
        "normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
        "post_processor":null,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
        "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,
        "byte_fallback":false,"vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":[["a","b"]]}}
        """;

    internal override Gen<byte[]> Inputs => Damage.OfJson(Encoding.UTF8.GetBytes(Valid));

    protected override void Open()
    {
        if (!System.IO.File.Exists(Path.Combine(Folder, "tokenizer_config.json")))
            System.IO.File.WriteAllText(Path.Combine(Folder, "tokenizer_config.json"), """{"eos_token":"<s>"}""");
        var tokenizer = TokenizerLoader.Load(Folder);
        try
        {
            tokenizer.Encode("ab a", addSpecialTokens: true);
        }
        finally
        {
            (tokenizer as IDisposable)?.Dispose();
        }
    }
}
