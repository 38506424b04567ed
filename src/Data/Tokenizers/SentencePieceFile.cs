using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Tokenizers;

/// <summary>
/// A SentencePiece BPE <c>tokenizer.model</c>. It becomes a <c>tokenizer.json</c> as Hugging Face's conversion makes it, because
/// Microsoft.ML.Tokenizers' LlamaTokenizer merges pairs of equal score in another order than SentencePiece (leftmost first).
/// </summary>
internal static class SentencePieceFile
{
    private const string Space = "▁";

    private enum PieceType
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
    }

    private sealed record Piece(string Text, float Score, PieceType Type);

    private sealed class Proto
    {
        public List<Piece> Pieces { get; } = [];
        public ulong ModelType { get; set; } = 1;
        public bool ByteFallback { get; set; }
        public int BosId { get; set; } = 1;
        public int EosId { get; set; } = 2;
        public string Normalizer { get; set; } = "";
        public bool HasCharacterMap { get; set; }
        public bool AddDummyPrefix { get; set; } = true;
        public bool RemoveExtraWhitespaces { get; set; } = true;
    }

    public static ITextTokenizer Load(string path, byte[] bytes, TokenizerConfig config)
    {
        Proto proto;
        try
        {
            proto = ReadModel(bytes);
        }
        catch (Exception error) when (error is FormatException or ArgumentException or OverflowException)
        {
            throw new PeftException($"{path}: neither a SentencePiece model nor a tiktoken file: {error.Message}", error);
        }

        if (proto.Pieces.Count == 0) throw new PeftException($"{path}: neither a SentencePiece model nor a tiktoken file");
        var nameless = proto.Pieces.FindIndex(static piece => piece.Text.Length == 0);
        if (nameless >= 0) throw new PeftException($"{path}: piece {nameless} has no text");

        const ulong bpe = 2;
        if (proto.ModelType != bpe)
            throw new PeftException(
                $"{path}: only SentencePiece models of type BPE are supported; a tokenizer.json beside it would be read instead"
            );
        if (proto.HasCharacterMap || proto.RemoveExtraWhitespaces)
            throw new PeftException(
                $"{path}: the SentencePiece normalizer {proto.Normalizer} is not supported (supported: identity, spaces kept); a "
                    + "tokenizer.json beside it would be read instead"
            );
        foreach (var (name, id) in new[] { ("bos_id", proto.BosId), ("eos_id", proto.EosId) })
        {
            if (id >= proto.Pieces.Count) throw new PeftException($"{path}: {name} is {id}, and there are {proto.Pieces.Count} pieces");
        }

        var json = TokenizerJson.Parse(path, ToBpeModel(path, proto).ToTokenizerJson(), TokenizerConfig.Empty);
        var special = new Dictionary<string, int>(config.AddedTokens, StringComparer.Ordinal);
        foreach (var id in new[] { proto.BosId, proto.EosId }.Where(id => id >= 0 && id < proto.Pieces.Count))
            special[proto.Pieces[id].Text] = id;
        int? bos = proto.BosId >= 0 ? proto.BosId : null;
        int? eos = proto.EosId >= 0 ? proto.EosId : null;
        // LlamaTokenizer's default: BOS yes, EOS no.
        return new SplittingTokenizer(
            HuggingFaceTokenizer.Load(path, json, TokenizerConfig.Empty),
            special,
            bos,
            eos,
            config.AddBosToken ?? true,
            config.AddEosToken ?? false
        );
    }

    private static BpeModel ToBpeModel(string path, Proto proto)
    {
        var vocab = new JsonObject();
        var normal = new Dictionary<string, int>(StringComparer.Ordinal);
        var added = new JsonArray();
        for (var id = 0; id < proto.Pieces.Count; id++)
        {
            var piece = proto.Pieces[id];
            if (!vocab.TryAdd(piece.Text, id)) throw new PeftException($"{path}: the piece '{piece.Text}' occurs twice");
            if (piece.Type == PieceType.Normal) normal[piece.Text] = id;
            if (piece.Type == PieceType.UserDefined) added.Add(BpeModel.AddedToken(piece.Text, id, special: false));
        }

        JsonObject Replace(string from, string to) =>
            new()
            {
                ["type"] = "Replace",
                ["pattern"] = new JsonObject { ["String"] = from },
                ["content"] = to,
            };
        var normalizers = new JsonArray(Replace(" ", Space));
        var decoders = new JsonArray(
            Replace(Space, " "),
            new JsonObject { ["type"] = "ByteFallback" },
            new JsonObject { ["type"] = "Fuse" }
        );
        if (proto.AddDummyPrefix)
        {
            normalizers.Insert(0, new JsonObject { ["type"] = "Prepend", ["prepend"] = Space });
            decoders.Add(new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 });
        }

        return new BpeModel
        {
            Vocab = vocab,
            Merges = BpeModel.MergesOf(
                normal.Keys.OrderByDescending(text => proto.Pieces[normal[text]].Score).ThenBy(text => normal[text]),
                normal
            ),
            Added = added,
            Normalizer = new JsonObject { ["type"] = "Sequence", ["normalizers"] = normalizers },
            Decoder = new JsonObject { ["type"] = "Sequence", ["decoders"] = decoders },
            ByteFallback = proto.ByteFallback,
            Unknown = proto.Pieces.Find(static piece => piece.Type == PieceType.Unknown)?.Text,
        };
    }

    private static Proto ReadModel(ReadOnlySpan<byte> message)
    {
        var proto = new Proto();
        while (!message.IsEmpty)
        {
            var (field, _, bytes) = ReadField(ref message);
            if (field == 1) proto.Pieces.Add(ReadPiece(bytes));
            else if (field == 2) ReadTrainer(bytes, proto);
            else if (field == 3) ReadNormalizer(bytes, proto);
        }

        return proto;
    }

    private static Piece ReadPiece(ReadOnlySpan<byte> message)
    {
        var (text, score, type) = ("", 0f, PieceType.Normal);
        while (!message.IsEmpty)
        {
            var (field, number, bytes) = ReadField(ref message);
            if (field == 1) text = Encoding.UTF8.GetString(bytes);
            else if (field == 2) score = BitConverter.UInt32BitsToSingle((uint)number);
            else if (field == 3) type = (PieceType)number;
        }

        return new Piece(text, score, type);
    }

    private static void ReadTrainer(ReadOnlySpan<byte> message, Proto proto)
    {
        while (!message.IsEmpty)
        {
            var (field, number, _) = ReadField(ref message);
            if (field == 3) proto.ModelType = number;
            else if (field == 35) proto.ByteFallback = number != 0;
            else if (field == 41) proto.BosId = (int)(long)number;
            else if (field == 42) proto.EosId = (int)(long)number;
        }
    }

    private static void ReadNormalizer(ReadOnlySpan<byte> message, Proto proto)
    {
        while (!message.IsEmpty)
        {
            var (field, number, bytes) = ReadField(ref message);
            if (field == 1) proto.Normalizer = Encoding.UTF8.GetString(bytes);
            else if (field == 2) proto.HasCharacterMap = bytes.Length > 0;
            else if (field == 3) proto.AddDummyPrefix = number != 0;
            else if (field == 4) proto.RemoveExtraWhitespaces = number != 0;
        }
    }

    private ref struct Field
    {
        public int Number;
        public ulong Value;
        public ReadOnlySpan<byte> Bytes;

        public readonly void Deconstruct(out int number, out ulong value, out ReadOnlySpan<byte> bytes)
        {
            number = Number;
            value = Value;
            bytes = Bytes;
        }
    }

    // One field of a protocol-buffers message: varint, 64-bit, length-delimited or 32-bit.
    private static Field ReadField(ref ReadOnlySpan<byte> message)
    {
        var tag = ReadVarint(ref message);
        var field = new Field { Number = (int)(tag >> 3) };
        switch (tag & 7)
        {
            case 0:
                field.Value = ReadVarint(ref message);
                break;
            case 1:
                field.Value = BinaryPrimitives.ReadUInt64LittleEndian(message);
                message = message[8..];
                break;
            case 2:
                var length = checked((int)ReadVarint(ref message));
                field.Bytes = message[..length];
                message = message[length..];
                break;
            case 5:
                field.Value = BinaryPrimitives.ReadUInt32LittleEndian(message);
                message = message[4..];
                break;
            default:
                throw new FormatException($"wire type {tag & 7}");
        }

        return field;
    }

    private static ulong ReadVarint(ref ReadOnlySpan<byte> message)
    {
        var value = 0UL;
        for (var i = 0; i < 10 && i < message.Length; i++)
        {
            value |= (ulong)(message[i] & 0x7F) << (7 * i);
            if (message[i] < 0x80)
            {
                message = message[(i + 1)..];
                return value;
            }
        }

        throw new FormatException("the file ends inside a number");
    }
}
