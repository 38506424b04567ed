namespace Peft.Orleans.Core.Cluster;

/// <summary>Identity of the cluster, the same on silos and clients.</summary>
public static class ClusterIdentity
{
    /// <summary>Orleans cluster id.</summary>
    public const string ClusterId = "peft";

    /// <summary>Orleans service id.</summary>
    public const string ServiceId = "peft";
}
