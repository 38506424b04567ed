namespace Peft.Orleans.Data.Tokenizers;

/// <summary>GPT-2's printable stand-ins for bytes, in which byte-level vocabularies are written.</summary>
internal static class ByteLevel
{
    private static readonly char[] Stands = Make();

    /// <summary>Bytes in their printable form.</summary>
    public static string Print(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (var i = 0; i < bytes.Length; i++) text[i] = Stands[bytes[i]];
        return new string(text);
    }

    private static char[] Make()
    {
        var stands = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            stands[value] = (char)(printable ? value : next++);
        }

        return stands;
    }
}
