using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.Terms;

namespace Peft.Orleans.Grains.Runs;

/// <summary>Opens a run's data set on a silo that sees the files the run began with.</summary>
internal static class RunData
{
    /// <summary>Opens it where it is, else on one silo after the other.</summary>
    /// <exception cref="UnfitSiloException">No silo sees the files the run began with; of the last one.</exception>
    /// <param name="agents">The silos.</param>
    /// <param name="run">The run.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="on">The silo it is opened on first; null: where it is.</param>
    internal static async Task<DatasetSummary> Open(IAgents agents, ResolvedRun run, string folder, SiloAddress? on = null)
    {
        Queue<SiloAddress>? others = null;
        while (true)
        {
            try
            {
                return await agents.OpenDataset(run, folder, on);
            }
            catch (UnfitSiloException unfit)
            {
                others ??= new((await agents.Live()).Where(silo => silo.Key != unfit.Silo).Select(static silo => silo.Value));
                if (!others.TryDequeue(out on)) throw;
            }
        }
    }
}
