using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Peft.Orleans.Client.Comparison;

/// <summary>A value of a run file's key, and where it was written.</summary>
/// <param name="Key">Dotted key.</param>
/// <param name="Text">The value as YAML on one line.</param>
/// <param name="Place">File and line, or --set.</param>
internal sealed partial record Assignment(string Key, string Text, string Place)
{
    private static readonly JsonSerializerOptions Quoted = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>As <c>--set</c> takes it.</summary>
    public string Override => $"{Key}={Text}";

    /// <summary>The value without quotes.</summary>
    public string Plain => Text.StartsWith('"') ? JsonSerializer.Deserialize<string>(Text)! : Text;

    /// <summary>Every value below a mapping, as dotted keys; sections may be nested or dotted themselves.</summary>
    /// <param name="mapping">The mapping.</param>
    /// <param name="file">File it stands in; relative paths are relative to it.</param>
    /// <param name="prefix">Key of the mapping with a dot, or nothing.</param>
    public static IEnumerable<Assignment> Flatten(YamlMappingNode mapping, string file, string prefix = "")
    {
        foreach (var (key, value) in mapping.Children)
        {
            var name = prefix + ((key as YamlScalarNode)?.Value ?? key.ToString());
            if (value is YamlMappingNode inner)
            {
                foreach (var item in Flatten(inner, file, name + ".")) yield return item;
            }
            else
            {
                yield return new Assignment(
                    name,
                    IsPath(name) && value is YamlScalarNode { Value: { } path } && path is not ("null" or "~" or "")
                        ? Quote(Absolute(path, file))
                        : Flow(value),
                    At(file, key)
                );
            }
        }
    }

    /// <summary>Reads a <c>--set</c>.</summary>
    /// <exception cref="ClientException">It has no key or no value.</exception>
    public static Assignment Parse(string set)
    {
        var equals = set.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? new Assignment(set[..equals].Trim(), set[(equals + 1)..].Trim(), $"--set {set}")
            : throw new ClientException(ExitCodes.Refused, $"--set {set}: expected key=value, for example --set training.steps=20");
    }

    /// <summary>File and line of a node.</summary>
    public static string At(string file, YamlNode node) => $"{file}:{Math.Max(1, node.Start.Line)}";

    /// <summary>A node as YAML on one line.</summary>
    public static string Flow(YamlNode node) => node switch
    {
        YamlSequenceNode list => "[" + string.Join(", ", list.Children.Select(Flow)) + "]",
        YamlMappingNode map => "{" + string.Join(", ", map.Children.Select(static pair => $"{Flow(pair.Key)}: {Flow(pair.Value)}")) + "}",
        YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any, Value: null or "" or "~" } => "null",
        YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } scalar when Safe().IsMatch(scalar.Value!) => scalar.Value!,
        YamlScalarNode scalar => Quote(scalar.Value ?? ""),
        _ => node.ToString(),
    };

    private static string Quote(string text) => JsonSerializer.Serialize(text, Quoted);

    private static bool IsPath(string key) =>
        key is "output" or "method.initial_adapter" || key.EndsWith(".path", StringComparison.Ordinal);

    private static string Absolute(string path, string file) =>
        path.StartsWith("~/", StringComparison.Ordinal) ? path : Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(file))!);

    [GeneratedRegex(@"^[A-Za-z0-9_./+-]+\z")]
    private static partial Regex Safe();
}
