using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Everything of a run's coordinator that goes to silos: agents, shards, data set, membership, catalog. What a unit test replaces.
/// </summary>
internal interface IAgents
{
    /// <summary>Name of the coordinator's silo.</summary>
    string Self { get; }

    /// <summary>The run's data set, wherever it lives.</summary>
    IDatasetGrain Dataset { get; }

    /// <summary>Opens the data set, where it is or on another silo.</summary>
    /// <param name="run">The run.</param>
    /// <param name="folder">The run's folder.</param>
    /// <param name="on">The silo that it shall be on; null: where it is, or anywhere.</param>
    /// <exception cref="UnfitSiloException">The silo where it is sees other files than the run began with.</exception>
    Task<DatasetSummary> OpenDataset(ResolvedRun run, string folder, SiloAddress? on = null);

    /// <summary>The live silos by name, without those that wait behind a cut or are left out.</summary>
    Task<SortedDictionary<string, SiloAddress>> Live();

    /// <summary>Silos that live and wait outside, as of the last look.</summary>
    IReadOnlyCollection<string> Outside { get; }

    /// <summary>Why silos that live cannot take part in the run, by name, as of the last look.</summary>
    IReadOnlyDictionary<string, string> LeftOut { get; }

    /// <summary>The run goes on without a silo, for as long as this one of its lives lasts; it is told, and drops what it holds.</summary>
    Task LeaveOut(SiloAddress silo, Term term, UnfitSiloException unfit);

    /// <summary>The run goes on without a silo that is not to be trusted: it is told why, and declared dead.</summary>
    Task Evict(SiloAddress silo, Term term, string name, string reason);

    /// <summary>The run has nothing any more of a silo that leaves: it is none of the live ones, for as long as this life lasts.</summary>
    void Release(SiloAddress silo);

    /// <summary>Declares a silo dead.</summary>
    Task Kill(SiloAddress silo);

    /// <summary>Asks all silos whether they reach each other, and evicts as few as it takes; returns these.</summary>
    Task<string[]> Mend();

    /// <summary>The agent of a silo.</summary>
    ISiloAgent At(SiloAddress silo);

    /// <summary>The layer shard at a seat.</summary>
    ILayerShardGrain Shard(SeatKey seat);

    /// <summary>Tells the catalog of runs where the run stands.</summary>
    Task Report(RunStatus status);
}
