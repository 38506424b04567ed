namespace Peft.Orleans.Core.Protocol;

/// <summary>
/// The fence of every message: a counter that only grows and the nonce of the coordinator that drew it. Two coordinators that draw
/// the same counter differ in the nonce, and the one that comes second is refused.
/// </summary>
/// <param name="Counter">Grows with every recovery.</param>
/// <param name="Nonce">Fresh for every term.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.Term")]
public readonly record struct Term(int Counter, Guid Nonce)
{
    /// <summary>The term before all others.</summary>
    public static readonly Term None = new(0, Guid.Empty);

    /// <summary>Whether this one is above <paramref name="other"/>.</summary>
    public bool Supersedes(Term other) => Counter > other.Counter;

    /// <inheritdoc/>
    public override string ToString() => $"{Counter}:{Nonce.ToString("N")[..8]}";
}
