using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Coordination;

/// <summary>Sees every effect of the coordinator before it is carried out; may stop the coordinator there by an exception.</summary>
public interface ICoordinatorObserver
{
    /// <summary>An effect is about to be carried out.</summary>
    void Carrying(string runId, CoordinatorEffect effect);
}

/// <summary>Looks on.</summary>
public sealed class SilentObserver : ICoordinatorObserver
{
    /// <inheritdoc/>
    public void Carrying(string runId, CoordinatorEffect effect) { }
}
