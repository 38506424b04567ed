using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Core.Runs;

/// <summary>What a plain YAML scalar stands for (YAML 1.2 core schema, decimal numbers only), and how values are spelled.</summary>
internal static partial class YamlScalars
{
    /// <summary>Kinds of a scalar.</summary>
    public enum Kind
    {
        /// <summary>null, ~ or nothing.</summary>
        Null,

        /// <summary>true or false.</summary>
        Boolean,

        /// <summary>Digits.</summary>
        Integer,

        /// <summary>A finite number.</summary>
        Number,

        /// <summary>Anything else, and everything quoted.</summary>
        Text,
    }

    /// <summary>The kind of a scalar node.</summary>
    public static Kind KindOf(YamlScalarNode node) =>
        node.Style is ScalarStyle.Plain or ScalarStyle.Any ? KindOfPlain(node.Value ?? "") : Kind.Text;

    /// <summary>The kind of unquoted text.</summary>
    public static Kind KindOfPlain(string text)
    {
        if (text is "" or "~" or "null" or "Null" or "NULL") return Kind.Null;
        if (text is "true" or "True" or "TRUE" or "false" or "False" or "FALSE") return Kind.Boolean;
        if (IntegerPattern().IsMatch(text)) return Kind.Integer;
        return NumberPattern().IsMatch(text) && double.IsFinite(ToDouble(text)) ? Kind.Number : Kind.Text;
    }

    /// <summary>The value of a number.</summary>
    public static double ToDouble(string text) => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    /// <summary>Shortest spelling that reads back to the same bits, also by readers that want a point before an exponent.</summary>
    public static string Write(double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        var e = text.IndexOf('E', StringComparison.Ordinal);
        if (e < 0) return text;
        var mantissa = text[..e];
        return (mantissa.Contains('.', StringComparison.Ordinal) ? mantissa : mantissa + ".0") + "e" + text[(e + 1)..];
    }

    /// <summary>Text, quoted where it would read as something else.</summary>
    public static string Write(string value)
    {
        if (SafePattern().IsMatch(value) && KindOfPlain(value) == Kind.Text) return value;
        var quoted = new StringBuilder("\"");
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                < ' ' or (>= '\u007f' and <= '\u00a0') or '\u2028' or '\u2029' or '\ufeff' => quoted.Append(
                    CultureInfo.InvariantCulture,
                    $"\\u{(int)c:x4}"
                ),
                _ => quoted.Append(c),
            };
        }

        return quoted.Append('"').ToString();
    }

    [GeneratedRegex(@"^[-+]?[0-9]+\z")]
    private static partial Regex IntegerPattern();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\z")]
    private static partial Regex NumberPattern();

    [GeneratedRegex(@"^[A-Za-z0-9_./~-]*[A-Za-z_/][A-Za-z0-9_./-]*\z")]
    private static partial Regex SafePattern();
}
