using System.IO.Enumeration;
using Peft.Orleans.Core;

namespace Peft.Orleans.Data.Datasets.Files;

/// <summary>What a data path of the run file stands for: a file, the data files of a folder, or those that a glob names.</summary>
public static class DataFiles
{
    private const string AnyDepth = "**";

    private static readonly string[] Endings =
        [".jsonl", ".json", ".parquet", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst", ".ndjson"];

    /// <summary>The names of data files, for messages.</summary>
    public static string Kinds => string.Join(", ", Endings[..^1]);

    /// <summary>The files, in name order (by code unit, so that it is the same everywhere); empty: there is none.</summary>
    /// <param name="path">An absolute path; <c>*</c>, <c>?</c> and <c>**</c> (folders of any depth) make it a glob.</param>
    public static IReadOnlyList<string> Find(string path)
    {
        if (path.Length == 0) return [];
        if (File.Exists(path)) return [path];
        if (Directory.Exists(path))
            return [.. Directory.EnumerateFiles(path).Where(static file => IsData(Path.GetFileName(file))).Order(StringComparer.Ordinal)];
        return IsGlob(path) ? [.. Glob(path).Distinct().Order(StringComparer.Ordinal)] : [];
    }

    /// <summary>Whether a path stands for several files.</summary>
    public static bool StandsForMany(string path) => !File.Exists(path) && (Directory.Exists(path) || IsGlob(path));

    /// <summary>The files, of which there must be one.</summary>
    /// <exception cref="PeftException">There is none; says what was looked for.</exception>
    public static IReadOnlyList<string> Require(string path)
    {
        var found = Find(path);
        if (found.Count > 0) return found;
        if (Directory.Exists(path)) throw new PeftException($"{path}: a folder without data files ({Kinds}); name a file, or a glob");
        throw new PeftException(IsGlob(path) ? $"{path}: no file matches" : $"{path}: data file not found");
    }

    private static bool IsData(string name) =>
        name[0] != '.' && Array.Exists(Endings, ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    private static bool IsGlob(string path) => path.AsSpan().ContainsAny('*', '?');

    private static IEnumerable<string> Glob(string path)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return Below("/", parts);
    }

    private static IEnumerable<string> Below(string folder, ReadOnlyMemory<string> parts)
    {
        var (part, rest) = (parts.Span[0], parts[1..]);
        if (part == AnyDepth)
        {
            // Any depth, none included.
            var deeper = Folders(folder, "*").SelectMany(inner => Below(inner, parts));
            return rest.IsEmpty ? Files(folder, "*").Concat(deeper) : Below(folder, rest).Concat(deeper);
        }

        if (rest.IsEmpty) return IsGlob(part) ? Files(folder, part) : Existing(Path.Combine(folder, part));
        return (IsGlob(part) ? Folders(folder, part) : [Path.Combine(folder, part)]).SelectMany(inner => Below(inner, rest));
    }

    private static IEnumerable<string> Existing(string file) => File.Exists(file) ? [file] : [];

    private static IEnumerable<string> Files(string folder, string pattern) => Entries(folder, pattern, Directory.EnumerateFiles);

    private static IEnumerable<string> Folders(string folder, string pattern) => Entries(folder, pattern, Directory.EnumerateDirectories);

    private static IEnumerable<string> Entries(string folder, string pattern, Func<string, IEnumerable<string>> all) =>
        Directory.Exists(folder)
            ? all(folder).Where(entry => Path.GetFileName(entry) is var name
                && (name[0] != '.' || pattern[0] == '.')
                && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false))
            : [];
}
