using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Runs;

/// <summary>Runs of this cluster, kept durably.</summary>
[GenerateSerializer]
[Alias("Peft.Orleans.RunCatalog")]
internal sealed class RunCatalog
{
    /// <summary>Last reported status by run id.</summary>
    [Id(0)] public Dictionary<string, RunStatus> Runs { get; set; } = [];
}

/// <summary>All runs of a cluster.</summary>
/// <remarks>The grain type is stored with the catalog: it stays, whatever the class is called.</remarks>
[GrainType("runcatalog")]
internal sealed class RunCatalogGrain([PersistentState("catalog", "runs")] IPersistentState<RunCatalog> state) : Grain, IRunCatalogGrain
{
    /// <inheritdoc/>
    public async Task Report(RunStatus status)
    {
        state.State.Runs[status.RunId] = status;
        await state.WriteStateAsync();
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<RunStatus>> List() =>
        Task.FromResult<IReadOnlyList<RunStatus>>([.. state.State.Runs.Values.OrderByDescending(static run => run.Created)]);
}
