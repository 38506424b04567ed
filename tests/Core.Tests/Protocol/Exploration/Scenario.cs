using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>What the model allows to happen, and which rules it weakens.</summary>
internal sealed record Scenario(string Name)
{
    internal const int Layers = 2;
    internal const int Microbatches = 2;

    public int Silos { get; init; } = 3;
    public int Steps { get; init; } = 3;
    public int Terms { get; init; } = 2;
    public int Crashes { get; init; }
    public int Freezes { get; init; }
    public int Restarts { get; init; }
    public int Joins { get; init; }

    /// <summary>Versions that a silo computes wrongly, of one of its layers: a bit flips on the way.</summary>
    public int Flips { get; init; }

    /// <summary>A silo that has computed wrongly does so ever after, in the same way.</summary>
    public bool FlipsStay { get; init; }

    /// <summary>Silos that start under the name of a living one, where storage knows no locks.</summary>
    public int Doubles { get; init; }

    /// <summary>New coordinators that come without any silo being lost.</summary>
    public int Takeovers { get; init; }

    public PlanOptions Plan { get; init; } = new(MaxSilos: 2, Microbatches: Microbatches);

    /// <summary>Copies may be let in long before they complete.</summary>
    public bool SlowCopies { get; init; }

    // Weaker rules.
    public Func<string, AgentProtocol> Agent { get; init; } = static silo => new AgentProtocol(silo);
    public Func<int, CoordinatorProtocol> Coordinator { get; init; } = static steps => new CoordinatorProtocol(steps);
    public bool InventoryDoesNotFence { get; init; }
    public bool OutsidersDropAtStart { get; init; }
    public bool PassiveSeatsDropEarly { get; init; }
    public bool AddressedByName { get; init; }
    public bool EmptyIsBelieved { get; init; }
    public bool ReadsAnyVersion { get; init; }
    public bool GradientsOfAnyTerm { get; init; }

    /// <summary>When a term takes the files over: before its fences are sent, or when all have answered.</summary>
    public bool OpensAfterFences { get; init; } = true;

    /// <summary>Whether opening, and writing to, files that a later term has opened is refused.</summary>
    public bool FilesRefuseEarlierWriters { get; init; } = true;

    /// <summary>What no promise sees is handed over at once (<see cref="Delivery"/>).</summary>
    public bool HandsOverAtOnce { get; init; } = true;

    /// <summary>Faults happen just before they are noticed (<see cref="Faults.Single"/>).</summary>
    public bool DefersFaults { get; init; } = true;

    /// <summary>A message that has been obeyed, or left behind, is not delivered again.</summary>
    public bool ForgetsObeyed { get; init; } = true;

    /// <summary>Terms are numbered anew once nothing speaks of some of them.</summary>
    public bool Renumbers { get; init; } = true;

    /// <summary>This scenario without any of these reductions.</summary>
    public Scenario Unreduced => this with { HandsOverAtOnce = false, DefersFaults = false, ForgetsObeyed = false, Renumbers = false };

    /// <summary>Processes that may still be lost.</summary>
    internal int FaultsLeft(World world) => Crashes - world.Crashes + Freezes - world.Freezes + Doubles - world.Doubles;

    internal static readonly PlanModel Model = new([1, 1], [0, 1]);
}
