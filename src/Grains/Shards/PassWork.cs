using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Grains.Agents;
using Peft.Orleans.Kernels.Models;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Shards;

/// <summary>The layer at which a pass is, and what it may read there.</summary>
/// <param name="Run">The run on this silo.</param>
/// <param name="Layer">The layer.</param>
/// <param name="First">Whether the chain begins here: the embedding.</param>
internal readonly record struct PassPlace(AgentRun Run, SeatedLayer Layer, bool First);

/// <summary>
/// What a kind of pass does at a layer. <see cref="Forward"/>, <see cref="Head"/> and <see cref="Backward"/> are work for the device
/// thread.
/// </summary>
/// <typeparam name="TResult">What comes back up the chain.</typeparam>
internal abstract class PassWork<TResult>(Pass pass)
{
    /// <summary>The message.</summary>
    internal Pass Pass => pass;

    /// <summary>Whether the device's time counts as the step's.</summary>
    internal virtual bool Counts => false;

    /// <summary>Step and microbatch, for people.</summary>
    internal abstract string Where { get; }

    /// <summary>Whether the protocol lets the layer compute this.</summary>
    internal abstract AgentDecision May(AgentProtocol protocol, int layer);

    /// <summary>Reads ids and labels; asked only of the first and the last position.</summary>
    internal virtual Task Read(IBatchSource batches) => Task.CompletedTask;

    /// <summary>Embeds, or goes through a block.</summary>
    internal abstract (Tensor Output, ISavedActivations? Saved) Forward(PassPlace place, Tensor? x);

    /// <summary>What the head makes of the last activations, and dL/dx where a backward pass follows.</summary>
    internal abstract (TResult Result, Tensor? Gradient) Head(PassPlace place, Tensor x);

    /// <summary>Goes on to the next layer.</summary>
    internal abstract Task<TResult> GoOn(ILayerShardGrain next, int position, TensorRef input);

    /// <summary>The gradient that comes back with a result; null: nothing follows.</summary>
    internal virtual TensorRef? GradientOf(TResult result) => null;

    /// <summary>The layer's backward pass: dL/dx of its input, null where nothing before it trains. Takes <paramref name="dy"/>.</summary>
    internal virtual Tensor? Backward(PassPlace place, ISavedActivations? saved, Tensor dy) =>
        throw new System.Diagnostics.UnreachableException($"{GetType().Name} has no backward pass");

    /// <summary>The result with another gradient.</summary>
    internal virtual TResult With(TResult result, TensorRef? gradient) => result;
}
