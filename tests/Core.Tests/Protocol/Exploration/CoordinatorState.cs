using System.Text;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>One term's coordinator: its real protocol, and what the run grain knows besides.</summary>
internal sealed class CoordinatorState(CoordinatorProtocol protocol)
{
    internal CoordinatorProtocol Protocol { get; private init; } = protocol;
    internal required int Term { get; init; }

    /// <summary>Process by silo, of the silos that lived when it began.</summary>
    internal required int[] Roster { get; init; }

    internal SortedDictionary<int, int> Inventories { get; private init; } = [];
    internal SortedDictionary<int, int> Records { get; private init; } = [];
    internal SortedDictionary<int, int> Roots { get; private init; } = [];
    internal SortedDictionary<int, int> Passes { get; private init; } = [];
    internal SortedSet<int> Parts { get; private init; } = [];

    /// <summary>What silos say of a step's versions, by process: now, and when it was made before.</summary>
    internal SortedDictionary<int, int> Now { get; private init; } = [];
    internal SortedDictionary<int, int> Before { get; private init; } = [];
    internal int Plan { get; set; }

    /// <summary>A step whose line is being written; −1: none.</summary>
    internal int Reporting { get; set; } = -1;

    /// <summary>It has taken the run's files over.</summary>
    internal bool Opened { get; set; }

    /// <summary>It waits to take them over and then makes its plan.</summary>
    internal bool Planning { get; set; }

    /// <summary>Step whose gradients were asked for last.</summary>
    internal int Computing { get; set; }

    /// <summary>Version whose copies were asked for last.</summary>
    internal int Protected { get; set; } = -1;

    internal CoordinatorEffect.Finish? Finished { get; set; }

    /// <summary>Ended by a refusal or an error.</summary>
    internal bool Ended { get; set; }

    /// <summary>The run is stopped: nobody can tell which silo is wrong.</summary>
    internal bool Stopped { get; set; }

    internal int ProcessOf(string silo) => Roster[silo[0] - 'a'];

    internal CoordinatorState Copy(int? term = null) => new(ProtocolCopies.Copy(Protocol))
    {
        Term = term ?? Term,
        Roster = Roster,
        Inventories = new(Inventories),
        Records = new(Records),
        Roots = new(Roots),
        Passes = new(Passes),
        Parts = [.. Parts],
        Now = new(Now),
        Before = new(Before),
        Plan = Plan,
        Reporting = Reporting,
        Computing = Computing,
        Protected = Protected,
        Opened = Opened,
        Planning = Planning,
        Finished = Finished,
        Ended = Ended,
        Stopped = Stopped,
    };

    internal string Text() =>
        Ended
            ? Stopped ? "stopped" : "ended"
            : new StringBuilder(ProtocolCopies.Text(Protocol))
                .Append('#')
                .Append(Term)
                .Append('#')
                .AppendJoin(',', Roster)
                .Append('#')
                .AppendJoin(',', Inventories)
                .Append('#')
                .AppendJoin(',', Records)
                .Append('#')
                .AppendJoin(',', Roots)
                .Append('#')
                .AppendJoin(',', Passes)
                .Append('#')
                .AppendJoin(',', Parts)
                .Append('#')
                .Append(Plan)
                .Append('#')
                .Append(Reporting)
                .Append(Opened)
                .Append(Computing)
                .Append('.')
                .Append(Protected)
                .Append(Planning)
                .Append(Finished)
                .AppendJoin(',', Now)
                .AppendJoin(',', Before)
                .ToString();
}
