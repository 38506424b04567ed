using System.Globalization;
using System.Text.RegularExpressions;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>What docs/protocol.md says of the exploration.</summary>
internal static partial class ProtocolPage
{
    /// <summary>Number of states by name of the scenario: the rows whose second column is a number.</summary>
    internal static IReadOnlyDictionary<string, int> States { get; } =
        File.ReadLines(Path.Combine(SharedFolder.RepositoryRoot, "docs", "protocol.md"))
            .Select(static line => Row().Match(line))
            .Where(static row => row.Success)
            .ToDictionary(
                static row => row.Groups["name"].Value.Split(": ")[0],
                static row => int.Parse(row.Groups["states"].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"^\| (\*\*)?(?<name>[^|*]+?)(\*\*)? \| (\*\*)?(?<states>[0-9,]+)(\*\*)? \|")]
    private static partial Regex Row();
}
