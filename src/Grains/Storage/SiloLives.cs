using Orleans.Runtime;

namespace Peft.Orleans.Grains.Storage;

/// <summary>
/// Numbers the silos that ever started in a cluster, beside its membership: which of two is the later life does not depend on how
/// their machines' clocks differ. The number takes the place of the seconds that Orleans would put into a silo's address.
/// </summary>
internal static class SiloLives
{
    /// <summary>The number of a life that begins now: higher than all drawn before it in this cluster.</summary>
    /// <remarks>
    /// No lower than the seconds of this machine's clock, which decide nothing: Orleans takes a silo that it does not know, and whose
    /// number is hours old, for one that died long ago.
    /// </remarks>
    internal static int Next(SqliteFile membership)
    {
        using var connection = membership.Open();
        using var draw = SqliteFile.Command(
            connection,
            null,
            """
            INSERT INTO silo_lives VALUES (0, $now)
            ON CONFLICT (id) DO UPDATE SET last = max(last + 1, excluded.last) RETURNING last
            """,
            ("$now", SiloAddress.AllocateNewGeneration()));
        return checked((int)(long)draw.ExecuteScalar()!);
    }
}
