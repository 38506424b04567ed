using System.Text;

namespace Peft.Orleans.Core.Methods;

/// <summary>
/// Regular expressions of Python's <c>re</c>, which PEFT's configurations have, as .NET spells them: named groups and references to them,
/// the end of the text, repetitions without a lower bound.
/// </summary>
public static class PythonRegex
{
    /// <summary>The same expression for .NET; what both spell alike stays as it is.</summary>
    public static string Translate(string expression)
    {
        var text = new StringBuilder(expression.Length);
        for (var at = 0; at < expression.Length;)
        {
            var (python, own) = Spellings.FirstOrDefault(pair => expression.AsSpan(at).StartsWith(pair.Python, StringComparison.Ordinal));
            if (python is null)
            {
                text.Append(expression[at++]);
                continue;
            }

            text.Append(own);
            at += python.Length;
            if (own != NamedReference) continue;
            var end = expression.IndexOf(')', at);
            if (end < 0) return expression;
            text.Append(expression, at, end - at).Append('>');
            at = end + 1;
        }

        return text.ToString();
    }

    private const string NamedReference = @"\k<";

    // An escaped backslash comes first: what follows it is not escaped.
    private static readonly (string Python, string Own)[] Spellings =
    [
        (@"\\", @"\\"), (@"\Z", @"\z"), ("(?P<", "(?<"), ("(?P=", NamedReference), (@"\{", @"\{"), ("{,", "{0,"),
    ];
}
