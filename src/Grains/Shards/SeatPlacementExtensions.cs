using Orleans.Hosting;

namespace Peft.Orleans.Grains.Shards;

/// <summary>Registers placement by seat.</summary>
internal static class SeatPlacementExtensions
{
    /// <summary>Lets layer shards be placed on the silo named in their key.</summary>
    public static ISiloBuilder AddSeatPlacement(this ISiloBuilder silo)
    {
        silo.Services.AddPlacementDirector<SeatPlacement, SeatPlacementDirector>();
        return silo;
    }
}
