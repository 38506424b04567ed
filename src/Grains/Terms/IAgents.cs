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

    /// <summary>The live silos by name, without those that wait behind a cut.</summary>
    Task<SortedDictionary<string, SiloAddress>> Live();

    /// <summary>Silos that live and wait outside, as of the last look.</summary>
    IReadOnlyCollection<string> Outside { get; }

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
