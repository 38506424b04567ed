using System.Globalization;
using System.Text.RegularExpressions;

namespace Peft.Orleans.Dashboards.Files;

/// <summary>An expression with its variables replaced, as Grafana does before it asks.</summary>
internal static partial class Variables
{
    /// <summary>Replaces every variable: the rate's interval by so many seconds, all others by a value, or by everything.</summary>
    internal static string Replace(string expression, int interval, IReadOnlyDictionary<string, string>? values = null) =>
        Name().Replace(expression, match => match.Groups[1].Value switch
        {
            "__rate_interval" => string.Create(CultureInfo.InvariantCulture, $"{interval}s"),
            var name => values?.GetValueOrDefault(name) ?? ".*",
        });

    /// <summary>The names that an expression uses.</summary>
    internal static IEnumerable<string> Used(string expression) => Name().Matches(expression).Select(static match => match.Groups[1].Value);

    // $1 is no variable: it stands for a group of label_replace.
    [GeneratedRegex(@"\$\{?([a-zA-Z_]\w*)\}?", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
