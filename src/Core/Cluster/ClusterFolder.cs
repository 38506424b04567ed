namespace Peft.Orleans.Core.Cluster;

/// <summary>Files of a local cluster's folder.</summary>
public static class ClusterFolder
{
    /// <summary>Membership (SQLite); begins anew with every cluster.</summary>
    public const string Membership = "membership.db";

    /// <summary>Grain state (SQLite); outlives clusters, so that a run can be resumed.</summary>
    public const string State = "state.db";

    /// <summary>
    /// Subfolder of data sets that clients have uploaded, named by their hash; outlives clusters, like the runs that were given them.
    /// </summary>
    public const string Uploads = "uploads";

    /// <summary>Removes what a former cluster, all of whose silos are gone, has left: membership and registrations.</summary>
    public static void Reset(string clusterFolder)
    {
        foreach (var suffix in (string[])["", "-wal", "-shm"]) File.Delete(Path.Combine(clusterFolder, Membership + suffix));
        var registrations = SiloRegistration.FolderOf(clusterFolder);
        if (Directory.Exists(registrations)) Directory.Delete(registrations, recursive: true);
    }
}
