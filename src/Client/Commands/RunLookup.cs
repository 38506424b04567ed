using System.CommandLine;
using System.CommandLine.Parsing;
using Peft.Orleans.Client.Runs;

namespace Peft.Orleans.Client.Commands;

/// <summary>Finds the run a command is about.</summary>
internal static class RunLookup
{
    /// <summary>
    /// By the user's index and the run's folder. A cluster named on the command line is where the run is; one from the environment is asked
    /// for ids that the index does not know.
    /// </summary>
    /// <exception cref="ClientException">No such run, or several.</exception>
    public static IndexedRun Find(ParseResult parsed, Argument<string> run, Option<string?> cluster)
    {
        var name = parsed.GetValue(run)!;
        var address = parsed.GetValue(cluster);
        IndexedRun? known = null;
        try
        {
            known = RunIndex.OfUser().FindPresent(name);
        }
        catch (ClientException) when (address is not null)
        {
            // Somebody else's run has no entry here.
        }

        if (known is null) return new IndexedRun(name, "", address, DateTimeOffset.UnixEpoch);
        return parsed.CommandResult.IsGiven(cluster) ? known with { Cluster = address } : known;
    }
}
