using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Runs;

/// <summary>Takes silos out of a run that a term has shown to be unfit or wrong, before the next term is drawn.</summary>
internal static class Evictions
{
    /// <summary>Does what a term's loss asks for; whether it asked for anything.</summary>
    /// <exception cref="Exception">The loss itself, where no silo can be taken out for it.</exception>
    internal static async Task<bool> Follow(Exception loss, TermRun ended, IAgents agents)
    {
        if (loss is UnfitSiloException unfit) await LeaveOut(ended, unfit, agents);
        else if (loss is FaultySiloException faulty) await Evict(ended, faulty, agents);
        else return false;
        return true;
    }

    private static async Task LeaveOut(TermRun ended, UnfitSiloException unfit, IAgents agents)
    {
        // Not one of the term's silos: there is nobody to leave out.
        if (!ended.Term.Live.TryGetValue(unfit.Silo, out var silo)) throw unfit;
        ended.Journals.LeftOut(unfit);
        await agents.LeaveOut(silo, ended.Term.Term, unfit);
    }

    /// <summary>Silos that were shown to be wrong; that none is left is no reason to trust one.</summary>
    private static async Task Evict(TermRun ended, FaultySiloException faulty, IAgents agents)
    {
        var live = await agents.Live();
        if (live.Keys.All(faulty.Silos.Contains)) throw faulty;
        foreach (var name in faulty.Silos)
        {
            if (!ended.Term.Live.TryGetValue(name, out var silo)) continue;
            ended.Journals.Event(RunEvents.Evicted, new { silo = name, reason = faulty.Message });
            await agents.Evict(silo, ended.Term.Term, name, faulty.Message);
        }
    }
}
