namespace Peft.Orleans.Core.Protocol;

/// <summary>What a silo says the bytes of a layer's version are.</summary>
/// <param name="Layer">Layer.</param>
/// <param name="Version">Version.</param>
/// <param name="Hash">Hash of its bytes.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.VersionClaim")]
public sealed record VersionClaim(int Layer, int Version, string Hash);

/// <summary>
/// What follows from the hashes that silos say one version of one layer has. A step is a pure function, so that a silo that differs from
/// the others, or from what it said itself when the step was made before, is wrong.
/// </summary>
public abstract record SeatVerdict
{
    private SeatVerdict()
    {
    }

    /// <summary>All say the same, now and before.</summary>
    public sealed record Agreed : SeatVerdict;

    /// <summary>They differ, and as many say the one as the other: the step is to be made again, by all.</summary>
    public sealed record Again : SeatVerdict;

    /// <summary>A third computation has decided.</summary>
    /// <param name="Silos">Those that were wrong, in order of name.</param>
    public sealed record Wrong(IReadOnlyList<string> Silos) : SeatVerdict;

    /// <summary>The step was made again, and it is still one word against the other.</summary>
    public sealed record Undecided : SeatVerdict;

    /// <summary>Judges.</summary>
    /// <param name="now">What each silo that computes the layer says, by silo.</param>
    /// <param name="before">What silos said when the same step was made before, by silo; empty: it was not.</param>
    public static SeatVerdict Of(IReadOnlyDictionary<string, string> now, IReadOnlyDictionary<string, string> before)
    {
        // Who gives one question two answers decides nothing.
        var steady = now.Where(said => !before.TryGetValue(said.Key, out var first) || first == said.Value).ToArray();
        var right = steady.GroupBy(static said => said.Value).FirstOrDefault(same => same.Count() * 2 > steady.Length)?.Key;
        if (right is null) return now.Keys.All(before.ContainsKey) ? new Undecided() : new Again();
        var wrong = now
            .Where(said => said.Value != right || (before.TryGetValue(said.Key, out var first) && first != right))
            .Select(static said => said.Key)
            .Order(StringComparer.Ordinal)
            .ToArray();
        return wrong.Length == 0 ? new Agreed() : new Wrong(wrong);
    }
}
