namespace Peft.Orleans.Core.Cluster;

/// <summary>Command-line names of <c>peft-silo</c>, shared with the client that starts local silos.</summary>
public static class SiloArguments
{
    /// <summary>Folder of a local cluster: membership and grain state (SQLite), registrations.</summary>
    public const string ClusterFolder = "--cluster-folder";

    /// <summary>Silo name.</summary>
    public const string Name = "--name";

    /// <summary>Compute threads.</summary>
    public const string Threads = "--threads";

    /// <summary>The silo finishes its step, snapshots and exits when its standard input closes.</summary>
    public const string ExitWithParent = "--exit-with-parent";

    /// <summary>Adds this silo to a local run: the run's folder.</summary>
    public const string Join = "--join";

    /// <summary>Alone: says what libtorch has here, a <see cref="SiloCheck"/>, and ends.</summary>
    public const string Check = "--check";
}
