using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Silo.Stores;

/// <summary>What a silo does with its store.</summary>
internal static class StoreServices
{
    /// <summary>Membership, grain state, reminders, the number of this silo's life, and its turn to join.</summary>
    internal static void AddStore(this ISiloBuilder silo, ClusterStore store, StoreKind kind)
    {
        silo.Services.AddSingleton(store);
        silo.Services.AddSingleton<ILocalSiloDetails, CountedLife>();
        silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, JoinTurn>();
        if (kind != StoreKind.Sqlite)
        {
            silo.Services.AddSingleton<StoreWatch>();
            silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(
                static services => services.GetRequiredService<StoreWatch>());
        }

        store.AddTo(silo);
        silo.Services.Configure<ReminderOptions>(static options => options.MinimumReminderPeriod = ClusterTimes.Current.Wake);
    }
}
