using System.CommandLine;
using System.CommandLine.Parsing;

namespace Peft.Orleans.Client.Commands;

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    /// <summary>Environment variable that stands for <c>--cluster</c>.</summary>
    public const string ClusterVariable = "PEFT_CLUSTER";

    // Each is a process with threads and memory of its own; more are a slip of the finger.
    private const int MostSilos = 1024;

    /// <summary>The run a command is about.</summary>
    public static Argument<string> Run() => new("RUN") { Description = "A run folder, a run id of 'get runs', or the beginning of one." };

    /// <summary>Number of local silos.</summary>
    public static Option<int?> Local()
    {
        var option = new Option<int?>("--local")
        {
            HelpName = "N",
            Description = "Start N silo processes on this machine for this command (default: 1, unless --cluster).",
        };
        return option.Number(static silos => silos is >= 1 and <= MostSilos, $"a number of silos of at least 1 and at most {MostSilos}");
    }

    /// <summary>A running cluster.</summary>
    public static Option<string?> Cluster() => new("--cluster")
    {
        HelpName = "ADDRESS",
        Description = "Use a running cluster: HOST[:PORT] of one gateway or more, separated by commas; all addresses of a name are used "
            + $"(default: {ClusterVariable}).",
        DefaultValueFactory = static _ => Environment.GetEnvironmentVariable(ClusterVariable) is { Length: > 0 } address ? address : null,
    };

    /// <summary>Whether an option is on the command line.</summary>
    public static bool IsGiven(this CommandResult result, Option option) => result.GetResult(option) is { Implicit: false };

    /// <summary>Refuses both at once; a cluster from the environment yields to <c>--local</c>.</summary>
    public static (int Local, string? Cluster) Choose(ParseResult parsed, Option<int?> local, Option<string?> cluster)
    {
        var silos = parsed.GetValue(local);
        var address = parsed.GetValue(cluster);
        if (silos is not null && address is not null && parsed.GetResult(cluster) is { Implicit: false })
            throw new ClientException(ExitCodes.Refused, "--local and --cluster exclude each other; give one of them");
        return silos is null && address is not null ? (0, address) : (silos ?? 1, null);
    }
}
