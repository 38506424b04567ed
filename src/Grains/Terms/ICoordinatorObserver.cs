using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>
/// Sees every effect of the coordinator before it is carried out; may delay it, or stop the coordinator there by an exception.
/// </summary>
internal interface ICoordinatorObserver
{
    /// <summary>An effect is about to be carried out.</summary>
    ValueTask Carrying(string runId, CoordinatorEffect effect);
}

/// <summary>Looks on.</summary>
internal sealed class SilentObserver : ICoordinatorObserver
{
    /// <inheritdoc/>
    public ValueTask Carrying(string runId, CoordinatorEffect effect) => ValueTask.CompletedTask;
}
