using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Grains.Terms;

/// <summary>What the protocol is told of an effect that was carried out.</summary>
internal delegate IReadOnlyList<CoordinatorEffect> Answer(CoordinatorProtocol protocol);

/// <summary>Answers of agents.</summary>
internal static class Replies
{
    /// <summary>An answer that is no refusal.</summary>
    /// <exception cref="InvalidOperationException">The agent refused the message.</exception>
    internal static T Obeyed<T>(this T reply)
        where T : AgentReply => reply.Accepted ? reply : throw new InvalidOperationException(reply.Refusal);
}
