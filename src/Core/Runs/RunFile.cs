using System.Text.Json.Nodes;
using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>
/// Reads, checks and writes run files. A new key is a property of a spec record and an entry of docs/run.schema.json; reading, refusal,
/// suggestion and writing follow from the two. What no single key can say (a batch that must divide another) is in <see cref="RunRules"/>.
/// </summary>
public static class RunFile
{
    /// <summary>
    /// Reads a run file, with <paramref name="overrides"/> of the form <c>training.steps=20</c>, and makes its paths absolute (relative
    /// ones are relative to the file).
    /// </summary>
    /// <exception cref="PeftException">The file is absent or refused; the message has every refusal with line, key and remedy.</exception>
    public static RunSpec Load(string path, IReadOnlyList<string>? overrides = null)
    {
        var yaml = YamlReader.ReadText(path, "run file");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return Resolve(Parse(yaml, path, overrides), folder);
    }

    /// <summary>Reads run-file text; <paramref name="pathForMessages"/> names it in errors. Paths stay as written.</summary>
    /// <exception cref="PeftException">The text is refused.</exception>
    public static RunSpec Parse(string yaml, string pathForMessages = RunFolder.RunFileName, IReadOnlyList<string>? overrides = null)
    {
        var document = RunDocument.Read(yaml, pathForMessages);
        foreach (var assignment in overrides ?? []) document.Override(assignment);
        var schema = RunSchema.Published;
        Refuse(SchemaCheck.Check(document, schema));
        var spec = RunBinder.Bind(document);
        Refuse([.. RunRules.Check(spec).Select(broken => $"{document.Where(broken.Key)}: {broken.Key}: {broken.Message}")]);
        return spec;
    }

    /// <summary>Where a key of a file stands: file and line, or --set; of the deepest part of the key that is written.</summary>
    public static string Where(string path, IReadOnlyList<string> overrides, string key)
    {
        var document = RunDocument.Read(YamlReader.ReadText(path, "run file"), path);
        foreach (var assignment in overrides) document.Override(assignment);
        return document.Where(key);
    }

    /// <summary>Reads a method section by itself, as <c>adapter_config.json</c> has it (JSON is YAML).</summary>
    /// <exception cref="PeftException">The section is refused.</exception>
    public static MethodSpec ParseMethod(string text, string pathForMessages)
    {
        var document = RunDocument.Read(text, pathForMessages).AsSection("method");
        Refuse(SchemaCheck.Check(document, RunSchema.Published, "method"));
        var method = RunBinder.Bind(document).Method;
        Refuse([.. RunRules.CheckMethod(method).Select(broken => $"{document.Where(broken.Key)}: {broken.Key}: {broken.Message}")]);
        return method;
    }

    /// <summary>
    /// The method section as JSON, as <c>adapter_config.json</c> keeps it: what has a meaning, without <c>initial_adapter</c>.
    /// </summary>
    public static JsonObject WriteMethod(RunSpec spec) => RunWriter.WriteMethod(spec, RunSchema.Published);

    /// <summary>
    /// The resolved form: every default that has a meaning for this run is written out, keys without are left out. Reading it gives the
    /// same run.
    /// </summary>
    public static string Write(RunSpec spec) => RunWriter.Write(spec, RunSchema.Published);

    /// <summary>Makes all paths absolute; relative ones are relative to <paramref name="baseFolder"/>.</summary>
    public static RunSpec Resolve(RunSpec spec, string baseFolder)
    {
        string Absolute(string path) =>
            path.StartsWith("~/", StringComparison.Ordinal)
                ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
                : Path.GetFullPath(path, Path.GetFullPath(baseFolder));

        var data = spec.Data;
        return spec with
        {
            Model = spec.Model with { Path = Absolute(spec.Model.Path) },
            Data = data with
            {
                Train = new DataSources([.. data.Train.Select(source => source with { Path = Absolute(source.Path) })]),
                Validation = data.Validation is { Path: { } validation } source
                    ? source with
                    {
                        Path = Absolute(validation),
                    }
                    : data.Validation,
                Evaluation = data.Evaluation is { } evaluation ? evaluation with { Path = Absolute(evaluation.Path) } : null,
                ChatTemplate = ChatTemplateNames.IsName(data.ChatTemplate) ? data.ChatTemplate : Absolute(data.ChatTemplate),
            },
            Method = spec.Method with { InitialAdapter = spec.Method.InitialAdapter is { } adapter ? Absolute(adapter) : null },
            Output = Absolute(spec.Output),
        };
    }

    private static void Refuse(IReadOnlyList<string> refusals)
    {
        if (refusals.Count > 0) throw new PeftException(string.Join('\n', refusals));
    }
}
