namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// A tensor handed from one shard to the next. Within a silo the message travels by reference and carries the tensor itself; between silos
/// it carries this description only, and the bytes go over the data plane. The receiver owns the tensor.
/// </summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.TensorRef")]
#pragma warning disable CA1051 // a field, because only a field can be left out of serialisation
public sealed class TensorRef
{
    /// <summary>Transfer id, unique for its sender.</summary>
    [Id(0)] public required Guid Sender { get; init; }

    /// <summary>Number of the transfer at its sender; 0: a local tensor.</summary>
    [Id(1)] public required long Transfer { get; init; }

    /// <summary>The tensor, where sender and receiver share the process. Never serialised.</summary>
    [NonSerialized]
    public object? Local;
}
