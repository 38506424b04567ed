using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Membership;

namespace Peft.Orleans.Grains.Shards;

/// <summary>Places a layer shard on the silo named in its key.</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.SeatPlacement")]
internal sealed class SeatPlacement : PlacementStrategy
{
    internal static readonly SeatPlacement Instance = new();
}

/// <summary>Marks a grain whose key ends in <c>@silo</c>.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class SeatPlacementAttribute() : PlacementAttribute(SeatPlacement.Instance);

/// <summary>Finds the silo named in the key among the compatible ones.</summary>
internal sealed class SeatPlacementDirector(ISiloStatusOracle silos) : IPlacementDirector
{
    /// <inheritdoc/>
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var key = SeatKey.Parse(target.GrainIdentity.Key.ToString()!);
        var named = context.GetCompatibleSilos(target).Where(address => silos.TryGetSiloName(address, out var name) && name == key.Silo);
        if (NamedSilos.Latest(named.Select(address => (key.Silo, address))).TryGetValue(key.Silo, out var latest))
            return Task.FromResult(latest);
        throw new SiloUnavailableException($"silo {key.Silo}, the seat of layer {key.Layer} of run {key.RunId}, is not alive");
    }
}
