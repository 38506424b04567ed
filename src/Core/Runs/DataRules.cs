using Peft.Orleans.Core.Methods;

namespace Peft.Orleans.Core.Runs;

/// <summary>Impossible combinations of section <c>data</c>.</summary>
internal static class DataRules
{
    /// <summary>The broken rules: key and what to do.</summary>
    public static IEnumerable<BrokenRule> Check(DataSpec data) => [.. Sources(data.Train), .. Columns(data), .. Validation(data)];

    private static IEnumerable<BrokenRule> Sources(DataSources train)
    {
        if (train is [{ Weight: not null }])
            yield return new("data.train.weight", "weighs several sources against each other, and there is one; remove it");
        if (train.Count > 1 && train.Weighted && train.Any(static source => source.Weight is null))
            yield return new(
                "data.train",
                "some sources have a weight and others none; give each its weight, or remove them all (then they follow each other)"
            );
    }

    private static IEnumerable<BrokenRule> Columns(DataSpec data)
    {
        foreach (var source in data.Train.Where(static source => source.Columns is not null))
        {
            foreach (var rule in Columns("data.train.columns", source.Columns!, [source.Format])) yield return rule;
        }

        if (data.Columns is not { } columns) yield break;
        DataFormat?[] formats = [.. data.Train.Select(static source => (DataFormat?)source.Format), data.Validation?.Format];
        foreach (var rule in Columns("data.columns", columns, [.. formats.OfType<DataFormat>()])) yield return rule;
    }

    private static IEnumerable<BrokenRule> Columns(string key, IReadOnlyDictionary<string, string> columns, DataFormat[] formats)
    {
        string[] fields = [.. formats.SelectMany(FormatFields.Of).Distinct()];
        foreach (var field in columns.Keys.Where(field => !fields.Contains(field)))
        {
            yield return new(
                key,
                $"{field} is no field of format {Words(formats)}; write "
                    + $"{string.Join(", ", fields)} on the left, the file's name for it on the right"
            );
        }
    }

    private static string Words(IEnumerable<DataFormat> formats) =>
        string.Join(", ", formats.Distinct().Select(static format => EnumerationWords.Word(format)));

    private static IEnumerable<BrokenRule> Validation(DataSpec data)
    {
        if (data.Validation is not { } validation) yield break;
        if (validation.Fraction is null == validation.Path is null)
            yield return new(
                "data.validation",
                validation.Path is null
                    ? "needs fraction or path; write { fraction: 0.05 } or { path: FILE }"
                    : "has both fraction and path; remove one of them"
            );
        if (validation.Format is not null && validation.Path is null)
            yield return new(
                "data.validation.format",
                "belongs to data.validation.path; remove it, a fraction has the format of the training data"
            );
        if (validation is { Path: not null, Format: null } && data.Train.Select(static source => source.Format).Distinct().Count() > 1)
            yield return new("data.validation.format", "missing, and the sources of data.train have several; write format: messages");
    }
}
