using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.DataPlane;

/// <summary>
/// Carries tensors between silos, beside the grain calls that refer to them. Every transfer belongs to a run and a term; what belongs
/// to a lower term than the one in force is dropped.
/// </summary>
internal interface ITensorTransport
{
    /// <summary>host:port where this silo receives.</summary>
    Endpoint Endpoint { get; }

    /// <summary>
    /// Sends a tensor to a silo and takes ownership of it. Returns when the bytes have been handed to the network; to the own silo only a
    /// reference is passed.
    /// </summary>
    Task<TensorRef> Send(string runId, Term term, PlannedSilo target, Tensor tensor, CancellationToken cancellation);

    /// <summary>Waits for a tensor; the caller owns it.</summary>
    /// <exception cref="OperationCanceledException">The term is no longer in force.</exception>
    Task<Tensor> Receive(string runId, Term term, TensorRef reference, CancellationToken cancellation);

    /// <summary>From now on transfers of lower terms of the run are refused, those under way are dropped.</summary>
    void Fence(string runId, Term term);

    /// <summary>Forgets a run.</summary>
    void Forget(string runId);
}
