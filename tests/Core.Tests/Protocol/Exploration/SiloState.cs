using System.Text;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>One process of a silo: its real protocol, and what its store holds.</summary>
internal sealed class SiloState(AgentProtocol agent)
{
    internal AgentProtocol Agent { get; private init; } = agent;
    internal SortedDictionary<(int Layer, int Version), int> Values { get; private init; } = [];
    internal SortedDictionary<(int Layer, int Step, int Index), int> Leaves { get; private init; } = [];
    internal SortedDictionary<int, int> Measures { get; private init; } = [];
    internal SortedDictionary<int, int> Records { get; private init; } = [];
    internal SortedSet<int> LetIn { get; private set; } = [];
    internal Message? Starting { get; set; }

    /// <summary>A bit flips with every step it takes.</summary>
    internal bool Flips { get; set; }

    /// <summary>Version of the last <c>Apply</c>, else the target: what the protocol keeps too.</summary>
    internal int Reached { get; set; }

    internal SiloState Copy() => new(ProtocolCopies.Copy(Agent))
    {
        Values = new(Values),
        Leaves = new(Leaves),
        Measures = new(Measures),
        Records = new(Records),
        LetIn = [.. LetIn],
        Starting = Starting,
        Reached = Reached,
        Flips = Flips,
        Self = Self,
    };

    /// <summary>What the next <c>Start</c> sets before anything reads it is left out of a fenced silo.</summary>
    internal string Text()
    {
        var text = new StringBuilder(ProtocolCopies.Text(Agent))
            .Append('#')
            .AppendJoin(',', Values)
            .Append('#')
            .AppendJoin(',', Records)
            .Append('#')
            .AppendJoin(',', LetIn)
            .Append(Flips ? "#!" : "#");
        return Agent.Phase == AgentPhase.Fenced
            ? text.AppendJoin(',', Active).ToString()
            : text.AppendJoin(',', Leaves)
                .Append('#')
                .AppendJoin(',', Measures)
                .Append('#')
                .Append(Starting?.Word)
                .Append(',')
                .Append(Starting?.Tag)
                .ToString();
    }

    /// <summary>The same under another number for its term.</summary>
    internal SiloState Renumbered(int term, Func<int, int> message)
    {
        var state = Copy();
        ProtocolCopies.SetTerm(state.Agent, Vocabulary.Term(term));
        state.Starting = state.Starting is { } start ? start with { Term = term } : null;
        state.LetIn = [.. state.LetIn.Select(message)];
        return state;
    }

    internal int[] Active => Agent.Plan is { } plan ? plan.ActiveLayersOn(Self) : [];

    internal required string Self { get; init; }
}
