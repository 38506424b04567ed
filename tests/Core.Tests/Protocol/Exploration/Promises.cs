using System.Numerics;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>What must be true in every world.</summary>
internal sealed class Promises(Scenario scenario, Machines machines)
{
    /// <summary>The promise that is broken; null: none.</summary>
    internal string? BrokenIn(World world)
    {
        foreach (var silo in world.Silos)
        {
            if (silo != 0 && machines.FaultOf(silo) is { } fault) return fault;
        }

        if (world.Plan > 0 && machines.HasOneNameTwice(world.Plan)) return "the plan has two silos of one name";
        for (var process = 0; scenario.Flips > 0 && process < Processes.Count; process++)
        {
            if (world.Lives[process] == Life.Live && machines.HoldsWrong(world.Silos[process], world.Lines.Length))
                return $"step {world.Lines.Length} is reported, and {Processes.Name(process)} holds other bytes of it";
        }

        for (var i = 0; i < world.Lines.Length; i++)
        {
            if (world.Lines[i] != machines.PureRecord(i + 1)) return $"line {i + 1} of the metrics is not that of step {i + 1}";
        }

        if (machines.IsFinished(world))
        {
            return world.Lines.Length < scenario.Steps
                ? $"the run is finished and has reported {world.Lines.Length} of {scenario.Steps} steps"
                : null;
        }

        return world.Excused || world.Lines.Length == 0 ? null : Loss(world);
    }

    /// <summary>
    /// The last reported version, or a later one, is complete on live silos, now and if as many of them fail at once as still may.
    /// </summary>
    private string? Loss(World world)
    {
        var live = 0;
        for (var process = 0; process < Processes.Count; process++)
        {
            if (world.Lives[process] == Life.Live) live |= 1 << process;
        }

        var budget = scenario.DefersFaults ? scenario.FaultsLeft(world) : 0;
        for (var failed = 0; failed <= live; failed++)
        {
            if ((failed & ~live) != 0 || BitOperations.PopCount((uint)failed) > budget) continue;
            var left = live & ~failed;
            if (world.Plan > 0 && Array.Exists(machines.Seats(world.Plan), seats => (seats & left) == 0))
                continue;
            if (IsCompleteOn(world, left))
                continue;
            var lost = Enumerable.Range(0, Processes.Count).Where(process => (failed & (1 << process)) != 0).Select(Processes.Name);
            var with = failed == 0 ? "" : $" (were {string.Join(" and ", lost)} to fail now)";
            return $"step {world.Lines.Length} is reported, and no version from it on is complete, though no layer has lost all its "
                + $"seats{with}";
        }

        return null;
    }

    private bool IsCompleteOn(World world, int silos)
    {
        for (var version = scenario.Steps; version >= world.Lines.Length; version--)
        {
            var layers = 0;
            for (var process = 0; process < Processes.Count; process++)
            {
                if ((silos & (1 << process)) != 0) layers |= machines.LayersHeld(world.Silos[process], version);
            }

            if (layers == (1 << Scenario.Layers) - 1) return true;
        }

        return false;
    }
}
