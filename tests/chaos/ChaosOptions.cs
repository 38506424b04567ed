using System.Globalization;

namespace Peft.Orleans.Chaos;

/// <summary>The command line.</summary>
internal sealed record ChaosOptions(int Silos, int Events, int Seed, string? RunFile, string Work, IReadOnlySet<string> Kinds)
{
    private const string AllKinds = "kill,freeze,join";
    private const string Usage =
        "usage: chaos --silos N --events K --seed S [--kinds kill,freeze,join] [-f run.yaml] [--work FOLDER] [-o json]";

    internal static ChaosOptions Read(string[] args)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in args.Chunk(2))
        {
            var known = pair[0] is "--silos" or "--events" or "--seed" or "--kinds" or "-f" or "--file" or "--work" or "-o" or "--output";
            if (!known || pair.Length < 2) throw new ChaosException($"{pair[0]}: {(known ? "needs a value" : "unknown option")}; {Usage}");
            values[pair[0]] = pair[1];
        }

        if ((values.GetValueOrDefault("-o") ?? values.GetValueOrDefault("--output") ?? "json") is not "json" and var format)
            throw new ChaosException($"-o {format}: only json is written");
        var file = values.GetValueOrDefault("-f") ?? values.GetValueOrDefault("--file");
        if (file is not null && !File.Exists(file))
            throw new ChaosException($"{file} not found");
        var kinds = values
            .GetValueOrDefault("--kinds", AllKinds)
            .Split(',', StringSplitOptions.TrimEntries)
            .ToHashSet(StringComparer.Ordinal);
        if (!kinds.IsSubsetOf(AllKinds.Split(',')))
            throw new ChaosException($"--kinds {values["--kinds"]}: any of {AllKinds}");
        return new ChaosOptions(
            Number(values, "--silos", 3, 2),
            Number(values, "--events", 10, 1),
            Number(values, "--seed", 1, 0),
            file is null ? null : Path.GetFullPath(file),
            Path.GetFullPath(values.GetValueOrDefault("--work", Path.Combine("runs", "chaos"))),
            kinds);
    }

    private static int Number(Dictionary<string, string> values, string option, int otherwise, int least) =>
        !values.TryGetValue(option, out var text) ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number
        : throw new ChaosException($"{option} {text}: give a number of at least {least}; {Usage}");
}
