using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Storage;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Grains.Storage;

namespace Peft.Orleans.Silo.Stores;

/// <summary>SQLite files in a folder that the silos of one machine share.</summary>
internal sealed class SqliteStore(string folder) : ClusterStore
{
    private const string TurnFile = "join.lock";

    private readonly Lazy<SqliteFile> membership = new(() => new SqliteFile(folder, ClusterFolder.Membership));
    private readonly Lazy<SqliteFile> state = new(() => new SqliteFile(folder, ClusterFolder.State));

    /// <inheritdoc/>
    internal override Task Prepare()
    {
        StoredForm.CheckAll(state.Value);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    internal override int NextLife() => SiloLives.Next(membership.Value);

    /// <inheritdoc/>
    internal override Task<bool> HoldsCluster() => Task.FromResult(File.Exists(membership.Value.Path));

    /// <summary>A locked file, which the operating system gives back whatever becomes of its holder.</summary>
    internal override Task<IAsyncDisposable?> TryTakeTurn()
    {
        try
        {
            var path = Path.Combine(folder, TurnFile);
            return Task.FromResult<IAsyncDisposable?>(
                new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException)
        {
            return Task.FromResult<IAsyncDisposable?>(null);
        }
    }

    /// <inheritdoc/>
    internal override void AddTo(ISiloBuilder silo)
    {
        silo.Services.AddSingleton<IMembershipTable>(new SqliteMembershipTable(membership.Value));
        silo.Services.AddKeyedSingleton<IGrainStorage>(GrainStorage, (services, _) =>
            new SqliteGrainStorage(state.Value, services.GetRequiredService<Serializer>()));
        silo.Services.AddSingleton<IReminderTable>(new SqliteReminderTable(state.Value));
        silo.AddReminders();
    }
}
