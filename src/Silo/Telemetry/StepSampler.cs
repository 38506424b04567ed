using OpenTelemetry.Trace;
using Peft.Orleans.Grains.Figures;

namespace Peft.Orleans.Silo.Telemetry;

/// <summary>Runs and terms always, of everything else that begins a trace a share; the rest of a trace as its beginning.</summary>
internal sealed class StepSampler(double share) : Sampler
{
    private readonly ParentBasedSampler others = new(new TraceIdRatioBasedSampler(share));

    /// <inheritdoc/>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters) =>
        samplingParameters.ParentContext == default && samplingParameters.Name is Traces.Run
            ? new SamplingResult(SamplingDecision.RecordAndSample)
            : others.ShouldSample(samplingParameters);
}
