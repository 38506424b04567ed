using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>What the coordinator keeps durably: run file, generation, status. Nothing is written here per step.</summary>
[GenerateSerializer]
[Alias("Peft.Orleans.RunRecord")]
public sealed class RunRecord
{
    /// <summary>The request that created the run; null: no run.</summary>
    [Id(0)] public RunRequest? Request { get; set; }

    /// <summary>Last generation drawn.</summary>
    [Id(1)] public Generation Generation { get; set; }

    /// <summary>Last status worth keeping.</summary>
    [Id(2)] public RunStatus? Status { get; set; }

    /// <summary>Generations drawn because something was lost or joined.</summary>
    [Id(3)] public int Recoveries { get; set; }
}
