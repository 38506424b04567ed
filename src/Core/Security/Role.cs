namespace Peft.Orleans.Core.Security;

/// <summary>What someone may do in a cluster; each may what the ones before may.</summary>
public enum Role
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Look: runs, metrics, silos.</summary>
    ReadOnly,

    /// <summary>Start, stop, resume and scale runs; upload, export, generate, score.</summary>
    Operator,

    /// <summary>Everything that silos say to each other.</summary>
    Silo,
}
