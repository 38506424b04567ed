using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>What silos do that follow weaker rules.</summary>
internal static class WeakerSilo
{
    /// <summary>A process that knows nothing says yes for its predecessor.</summary>
    internal static bool Believe(Message message, List<Message> sent)
    {
        switch (message.Kind)
        {
            case Kind.Apply: sent.Add(new Message(Kind.Applied, message.Term, -1, message.To, message.Step)); return true;
            case Kind.Put: sent.Add(new Message(Kind.Copied, message.Term, -1, message.From, message.Step, message.To)); return true;
            case Kind.Protect:
                for (var target = 0; target < Processes.Count; target++)
                    sent.Add(new Message(Kind.Copied, message.Term, -1, message.To, message.Step, target));
                return true;
            case Kind.Prepare: sent.Add(new Message(Kind.Prepared, message.Term, -1, message.To, message.Step)); return true;
            case Kind.Start: sent.Add(new Message(Kind.Started, message.Term, -1, message.To, Step: message.Step)); return true;
            default: return false;
        }
    }
}

/// <summary>Weaker agents that forget too early.</summary>
internal interface IDropsEarly
{
    IEnumerable<AgentEffect> DropVersions(Func<int, int, bool> which);
}
