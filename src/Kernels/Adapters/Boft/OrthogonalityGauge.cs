using System.Diagnostics.Metrics;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Kernels.Adapters.Boft;

/// <summary>Reports how far butterfly blocks are from orthogonal, once for each version that is computed with.</summary>
internal static class OrthogonalityGauge
{
    private static readonly Meter Meter = new(MetricNames.Meter);
    private static readonly Gauge<double> Error = Meter.CreateGauge<double>(
        MetricNames.OrthogonalityError,
        description: "max |CᵀC − I| over a module's butterfly blocks."
    );

    /// <summary>Reports a rotation that was just composed, and hands it back.</summary>
    internal static ComposedRotation Record(string module, OrthogonalBlocks kind, ComposedRotation rotation)
    {
        if (Error.Enabled) Error.Record(kind.OrthogonalityError(rotation.Blocks), new KeyValuePair<string, object?>("module", module));
        return rotation;
    }
}
