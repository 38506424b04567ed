using System.Text.RegularExpressions;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Architecture.Tests;

/// <summary>What lies in a run's folder, and where somebody listens, is spelled in one place each.</summary>
public sealed partial class SpellingTests
{
    [Fact]
    public void Names_in_a_runs_folder_are_spelled_by_RunFolder_alone()
    {
        var folder = new RunFolder("/");
        var names = typeof(RunFolder).GetProperties()
            .Where(static property => property.PropertyType == typeof(string) && property.Name != nameof(RunFolder.Path))
            .Select(property => Path.GetFileName((string)property.GetValue(folder)!))
            .ToArray();
        Assert.Contains("run.yaml", names);
        // Folders have common words as names: there it is the path that counts.
        var whole = names.Where(static name => name.Contains('.')).Select(static name => Regex.Escape($"\"{name}\""));
        var joined = names.Where(static name => !name.Contains('.')).Select(static name => $"""Combine\([^;]*"{name}["/]""");
        var spelled = new Regex(string.Join('|', [.. whole, .. joined, "\"(layer|step)-\\{"]), RegexOptions.CultureInvariant);
        Broken.None(Product.Source()
            .Where(line => line.File != "Core/Runs/RunFolder.cs" && spelled.IsMatch(line.Text))
            .Select(static line => $"{line.File}:{line.Line}: {line.Text.Trim()}"));
    }

    [Fact]
    public void Events_of_a_run_are_named_by_RunEvents_which_has_their_sentences() =>
        Broken.None(Product.Source()
            .Where(static line => line.Text.Contains("Event(\"", StringComparison.Ordinal))
            .Select(static line => $"{line.File}:{line.Line}: {line.Text.Trim()}"));

    [Fact]
    public void A_host_and_its_port_are_joined_and_parted_by_Endpoint_alone() =>
        Broken.None(Product.Source()
            .Where(static line => line.File != "Core/Endpoint.cs" && HostAndPort().IsMatch(line.Text))
            .Select(static line => $"{line.File}:{line.Line}: {line.Text.Trim()}"));

    /// <summary>An interpolated text of both, or a search for the colon between them.</summary>
    [GeneratedRegex("""\$".*\{[^{}]*(host|address)[^{}]*\}:\{|IndexOf\(':'\)""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex HostAndPort();
}
