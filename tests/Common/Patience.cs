namespace Peft.Orleans.Tests;

/// <summary>
/// The one limit of every wait in tests: generous, as nothing is measured by it; a busy machine takes minutes for what an idle one does at
/// once.
/// </summary>
internal static class Patience
{
    internal static TimeSpan Limit { get; } = TimeSpan.FromMinutes(20);

    /// <summary>Cancelled when the limit is reached.</summary>
    internal static CancellationToken Token => new CancellationTokenSource(Limit).Token;

    /// <summary>Waits for a condition on files or processes, which have no event of their own that is reliable across processes.</summary>
    internal static async Task Until(Func<bool> condition)
    {
        var token = Token;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        do
        {
            try
            {
                if (condition()) return;
            }
            catch (IOException)
            {
                // The file is just being replaced, or not there yet.
            }
        }
        while (await timer.WaitForNextTickAsync(token));
    }
}
