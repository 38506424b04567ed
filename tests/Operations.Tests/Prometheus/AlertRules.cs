using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>An alert of the rules.</summary>
internal sealed record AlertRule(string Name, string Expression, IReadOnlyDictionary<string, string> Annotations)
{
    /// <summary>
    /// The expression so that it answers also where nothing is wrong: comparisons say 0 or 1 instead of leaving series out, and what is
    /// asked to be absent is asked for.
    /// </summary>
    internal string Answering => AlertRules.Comparison().Replace(AlertRules.Absent().Replace(Expression, "$1"), " $1 bool ");
}

/// <summary>The rules of <c>k8s/alerts</c>.</summary>
internal static partial class AlertRules
{
    /// <summary>A minute of the rules is a second where they are shortened.</summary>
    internal const int Shortening = 60;

    private static readonly string Source =
        File.ReadAllText(Path.Combine(Repository.Root, "k8s", "alerts", "prometheusrule.yaml"));

    /// <summary>The form of promtool and of a Prometheus without the operator, made as the file's own comment says.</summary>
    internal static string Promtool { get; } = string.Join(
        '\n', Source.Split('\n').SkipWhile(static line => line != "spec:").Skip(1).Select(static line => line.Length > 2 ? line[2..] : ""));

    /// <summary>
    /// The rules with every time divided by <see cref="Shortening"/>: how long a fault has to last, how far back an expression looks, and
    /// limits in seconds.
    /// </summary>
    internal static string Shortened { get; } = SecondsLimit().Replace(
        Duration().Replace(Promtool, static match => Shorter(match.Value)),
        static match => match.Groups[1].Value + (int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture) / Shortening));

    /// <summary>All alerts.</summary>
    internal static IReadOnlyList<AlertRule> All { get; } = Read();

    /// <summary>A rule's comparison, with which it leaves series out.</summary>
    [GeneratedRegex(" (>=|<=|==|!=|>|<) ", RegexOptions.CultureInvariant)]
    internal static partial Regex Comparison();

    [GeneratedRegex(@"absent\(([^()]*)\)", RegexOptions.CultureInvariant)]
    internal static partial Regex Absent();

    private static AlertRule[] Read()
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Promtool));
        var groups = (YamlSequenceNode)stream.Documents[0].RootNode["groups"];
        return
        [
            .. groups.SelectMany(static group => (YamlSequenceNode)group["rules"]).Select(static rule => new AlertRule(
                rule["alert"].ToString(),
                rule["expr"].ToString(),
                ((YamlMappingNode)rule["annotations"]).ToDictionary(static one => one.Key.ToString(), static one => one.Value.ToString()))),
        ];
    }

    private static string Shorter(string text) => Number().Replace(text, static match =>
    {
        var seconds = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)
            * (match.Groups[2].Value switch { "s" => 1, "m" => 60, _ => 3600 });
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Round(seconds * 1000 / Shortening)}ms");
    });

    /// <summary>A range, or the time for which a fault lasts.</summary>
    [GeneratedRegex(@"\[\d+[smh](:\d+[smh])?\]|for: \d+[smh]", RegexOptions.CultureInvariant)]
    private static partial Regex Duration();

    [GeneratedRegex(@"(\d+)([smh])", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    [GeneratedRegex(@"(_seconds\) > )(\d+)", RegexOptions.CultureInvariant)]
    private static partial Regex SecondsLimit();
}
