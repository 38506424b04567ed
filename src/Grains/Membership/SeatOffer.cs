namespace Peft.Orleans.Grains.Membership;

/// <summary>Whether layers may be seated on this silo: not when it was started so, and no longer once it is told to leave.</summary>
internal sealed class SeatOffer(bool offered)
{
    private volatile bool open = offered;

    /// <summary>Whether they may.</summary>
    internal bool Open => open;

    /// <summary>This silo leaves.</summary>
    internal void Withdraw() => open = false;
}
