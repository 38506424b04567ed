using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>What the pages name is there: files and headings that links lead to, folders, names of the code.</summary>
public sealed partial class PagesTests
{
    private static readonly string[] Pages =
    [
        Path.Combine(Repository.Root, "README.md"),
        .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories),
        .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.md", SearchOption.AllDirectories),
    ];

    [Fact]
    public void Links_lead_to_files_and_headings_that_exist() =>
        Broken.None(Pages.SelectMany(static page => Link().Matches(File.ReadAllText(page))
            .Where(link => !Leads(page, link.Groups["file"].Value, link.Groups["heading"].Value))
            .Select(link => $"{Named(page)}: {link.Value}")));

    [Fact]
    public void Names_of_the_code_exist()
    {
        var names = new[] { "src", "tests" }
            .Select(static folder => Path.Combine(Repository.Root, folder))
            .SelectMany(static folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
            .SelectMany(static file => Name().Matches(File.ReadAllText(file)).Select(static match => match.Value))
            .ToHashSet(StringComparer.Ordinal);
        Broken.None(Pages.SelectMany(page => Code().Matches(File.ReadAllText(page))
            .Select(static match => match.Groups[1].Value)
            .Where(code => OfCode().IsMatch(code) && !Name().Matches(code.Split('(')[0]).All(name => names.Contains(name.Value)))
            .Select(code => $"{Named(page)}: the code has no {code}")));
    }

    [Fact]
    public void Folders_of_the_tree_exist() =>
        Broken.None(Pages.SelectMany(static page => Code().Matches(File.ReadAllText(page))
            .Select(static match => match.Groups[1].Value)
            .Where(static code => OfTree().IsMatch(code) && !Path.Exists(Path.Combine(Repository.Root, code)))
            .Select(code => $"{Named(page)}: there is no {code}")));

    private static bool Leads(string page, string file, string heading)
    {
        if (file.Contains("://", StringComparison.Ordinal)) return true;
        var target = file.Length == 0 ? page : Path.Combine(Path.GetDirectoryName(page)!, file);
        return Path.Exists(target) && (heading.Length == 0 || File.ReadLines(target).Any(line => Anchor(line) == heading));
    }

    /// <summary>The anchor that a heading gets; null where a line is none.</summary>
    private static string? Anchor(string line) => line.StartsWith('#')
        ? Dropped().Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-')
        : null;

    private static string Named(string page) => Path.GetRelativePath(Repository.Root, page);

    [GeneratedRegex(@"\]\((?<file>[^)#\s]*)(#(?<heading>[^)]*))?\)", RegexOptions.CultureInvariant)]
    private static partial Regex Link();

    [GeneratedRegex("`([^`\n]+)`", RegexOptions.CultureInvariant)]
    private static partial Regex Code();

    /// <summary>A type, or a member of one, or a call of it.</summary>
    [GeneratedRegex(@"^[A-Z][a-z]\w*(\.[A-Z]\w*)*(\(.*\))?$|^I[A-Z][a-z]\w*$", RegexOptions.CultureInvariant)]
    private static partial Regex OfCode();

    /// <summary>A folder of the source.</summary>
    [GeneratedRegex(@"^(src|tests|docs)/[\w./-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex OfTree();

    [GeneratedRegex(@"[A-Za-z_]\w*", RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    [GeneratedRegex(@"[^\w\- ]", RegexOptions.CultureInvariant)]
    private static partial Regex Dropped();
}
