using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Grains.Runs;

/// <summary>What the coordinator keeps durably: run file, term, status. Nothing is written here per step.</summary>
[GenerateSerializer]
[Alias("Peft.Orleans.RunRecord")]
internal sealed class RunRecord
{
    /// <summary>The request that created the run; null: no run.</summary>
    [Id(0)] public RunRequest? Request { get; set; }

    /// <summary>Last term drawn.</summary>
    [Id(1)] public Term Term { get; set; }

    /// <summary>Last status worth keeping.</summary>
    [Id(2)] public RunStatus? Status { get; set; }

    /// <summary>Terms drawn because something was lost or joined.</summary>
    [Id(3)] public int Recoveries { get; set; }

    /// <summary>The run, everything decided; null: no run.</summary>
    [Id(4)] public ResolvedRun? Run { get; set; }
}
