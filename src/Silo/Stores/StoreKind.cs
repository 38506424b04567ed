namespace Peft.Orleans.Silo.Stores;

/// <summary>Where a cluster keeps membership, grain state and reminders.</summary>
internal enum StoreKind
{
    /// <summary>Files in the cluster's folder, for the silos of one machine.</summary>
    Sqlite,

    /// <summary>A Redis server.</summary>
    Redis,

    /// <summary>A PostgreSQL database.</summary>
    Postgresql,
}
