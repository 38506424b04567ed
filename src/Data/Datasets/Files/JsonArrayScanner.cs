using System.Buffers;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>
/// One JSON array: a record is an element. Finds where elements begin and end; what is wrong in them is told when they are read.
/// </summary>
internal static class JsonArrayScanner
{
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[],"u8);
    private static readonly SearchValues<byte> InText = SearchValues.Create("\"\\"u8);

    /// <summary>Calls back with every element.</summary>
    /// <param name="text">The text, at the opening bracket.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <param name="take">Takes a record.</param>
    /// <exception cref="PeftException">It is no one array.</exception>
    public static void Scan(TextBuffer text, string path, TakeRecord take)
    {
        text.Skip(1);
        for (var number = 1; ; number++)
        {
            if (!text.SkipBlanks(out _)) throw Unclosed(number);
            switch (text.Here[0])
            {
                case (byte)']' when number == 1:
                    End();
                    return;
                case (byte)']':
                    throw Wrong(number - 1, "a comma follows it, and no other element");
                case (byte)',':
                    throw Wrong(number, "is missing, two commas follow each other");
            }

            var length = LengthOfElement(text);
            if (length < 0) throw Unclosed(number);
            take(number, text.Offset, text.Here[..length].TrimEnd(" \t\r\n"u8));
            text.Skip(length);
            if (!text.SkipBlanks(out _)) throw Unclosed(number);
            var next = text.Here[0];
            if (next == (byte)']')
            {
                End();
                return;
            }

            if (next != (byte)',') throw Wrong(number, "no comma and no closing bracket follows it");
            text.Skip(1);
        }

        void End()
        {
            text.Skip(1);
            if (text.SkipBlanks(out _)) throw new PeftException($"{path}: something follows the closing bracket of its array; remove it");
        }

        PeftException Wrong(int number, string what) => new($"{path}, element {number}: {what}");

        PeftException Unclosed(int number) =>
            new($"{path}, element {number}: the file ends before its array is closed; it is not whole, fetch it again");
    }

    /// <summary>Bytes up to the comma or bracket after the element; −1: the text ends before.</summary>
    private static int LengthOfElement(TextBuffer text)
    {
        var (at, depth, inText) = (0, 0, false);
        while (true)
        {
            var next = text.Here[at..].IndexOfAny(inText ? InText : Structure);
            if (next < 0)
            {
                at = text.Here.Length;
                if (!text.More()) return -1;
                continue;
            }

            at += next;
            switch (text.Here[at])
            {
                case (byte)'\\':
                    // What it escapes may be behind the window.
                    if (at + 2 > text.Here.Length && !text.More()) return -1;
                    at++;
                    break;
                case (byte)'"':
                    inText = !inText;
                    break;
                case (byte)'{' or (byte)'[':
                    depth++;
                    break;
                case (byte)',' when depth == 0:
                    return at;
                case (byte)'}' or (byte)']':
                    if (depth == 0) return at;
                    // An element that is an object or a list ends with its own bracket.
                    if (--depth == 0) return at + 1;
                    break;
            }

            at++;
        }
    }
}
