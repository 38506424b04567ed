using Orleans.Runtime;
using Peft.Orleans.Core;

namespace Peft.Orleans.Silo.Stores;

/// <summary>
/// What the silos of a cluster share: membership, grain state and reminders, the number of each silo's life, and turns to join.
/// </summary>
internal abstract class ClusterStore : IAsyncDisposable
{
    /// <summary>Name of the grain storage.</summary>
    protected const string GrainStorage = "runs";

    /// <summary>The store that the settings name, not yet connected.</summary>
    /// <exception cref="PeftException">The connection cannot be read; names option or variable.</exception>
    internal static ClusterStore Of(SiloSettings settings) => settings.Store switch
    {
        StoreKind.Redis => new RedisStore(settings.StoreConnection!),
        StoreKind.Postgresql => new PostgresqlStore(settings.StoreConnection!),
        _ => new SqliteStore(settings.ClusterFolder),
    };

    /// <summary>Connects, makes what is not there, and looks whether this version reads what is stored.</summary>
    /// <exception cref="PeftException">The store cannot be used; names the remedy.</exception>
    internal abstract Task Prepare();

    /// <summary>The number of a life that begins now: higher than all drawn before it in this cluster.</summary>
    /// <remarks>
    /// No lower than the seconds of this machine's clock, which decide nothing: Orleans takes a silo that it does not know, and whose
    /// number is hours old, for one that died long ago.
    /// </remarks>
    internal abstract int NextLife();

    /// <summary>Whether the store still holds a cluster: the numbers of its silos' lives are there.</summary>
    internal abstract Task<bool> HoldsCluster();

    /// <summary>The turn to join; null while another silo has it.</summary>
    internal abstract Task<IAsyncDisposable?> TryTakeTurn();

    /// <summary>Gives the silo membership, grain state and reminders.</summary>
    internal abstract void AddTo(ISiloBuilder silo);

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The seconds of this machine's clock.</summary>
    protected static int Now => SiloAddress.AllocateNewGeneration();
}
