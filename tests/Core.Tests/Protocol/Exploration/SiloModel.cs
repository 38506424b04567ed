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
            .Append('#');
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

/// <summary>How a silo carries messages out: as the agents of the product do, one handler at a time.</summary>
internal sealed class SiloModel(Scenario scenario, Vocabulary words)
{
    /// <summary>Hands a message over. <paramref name="state"/> is a copy of its own and is changed.</summary>
    /// <returns>False: refused, or failed.</returns>
    internal bool Receive(SiloState state, Message message, List<Message> sent)
    {
        var term = Vocabulary.Term(message.Term);
        var agent = state.Agent;
        if (scenario.GradientsOfAnyTerm && message.IsGradient) term = agent.Term;
        var self = message.To;
        if (scenario.EmptyIsBelieved && agent.Phase == AgentPhase.Empty && Believe(message, sent)) return true;
        switch (message.Kind)
        {
            case Kind.Fence: return Fence(state, message, term, sent);
            case Kind.Start: return Start(state, message, term, sent);
            case Kind.Initialize:
                foreach (var layer in agent.Plan?.FirstLayersOn(state.Self) ?? [])
                {
                    if (state.Values.ContainsKey((layer, 0))) continue;
                    if (!Hold(state, term, layer, 0, words.InitialValue(layer))) return false;
                }

                sent.Add(new Message(Kind.Initialized, message.Term, -1, self));
                return true;
            case Kind.Forward: return Forward(state, message, term, sent);
            case Kind.Up: return Up(state, message, term, sent);
            case Kind.Down:
                if (!Leaf(state, term, 0, message.Step, message.Index, message.Tag)) return false;
                sent.Add(new Message(Kind.Passed, message.Term, -1, self, message.Step, message.Index, Word: message.Word));
                return true;
            case Kind.Gather or Kind.AskSums or Kind.Sums or Kind.Whole: return Reduce(state, message, term, sent);
            case Kind.Prepare: return Prepare(state, message, term, sent);
            case Kind.Apply: return Apply(state, message, term, sent);
            case Kind.Protect:
                var decision = agent.Protect(term, message.Step);
                if (!decision.Accepted)
                    return false;
                foreach (
                    var copies in decision
                        .Effects.OfType<AgentEffect.SendCopies>()
                        .SelectMany(static send => send.Silos.Select(silo => (silo, send.Layer)))
                        .GroupBy(static pair => pair.silo)
                )
                {
                    var content = string.Join(',', copies.Select(copy => $"{copy.Layer}={state.Values[(copy.Layer, message.Step)]}"));
                    sent.Add(
                        new Message(
                            Kind.Put,
                            message.Term,
                            Processes.Of(agent.Plan!.Silo(copies.Key)),
                            self,
                            message.Step,
                            Word: words.Word(content)
                        )
                    );
                }

                return true;
            case Kind.Put:
                foreach (var (layer, _) in Pairs(message.Word))
                {
                    if (!agent.Take(term, layer, message.Step).Accepted) return false;
                }

                return Complete(state, message, sent);
            case Kind.Want:
                if (agent.Term != term || !state.Values.TryGetValue((message.Index, message.Step), out var value))
                    return false;
                sent.Add(
                    new Message(
                        Kind.Value,
                        message.Term,
                        message.From,
                        self,
                        message.Step,
                        message.Index,
                        value,
                        state.Records.GetValueOrDefault(message.Step)
                    )
                );
                return true;
            case Kind.Value:
                if (!Hold(state, term, message.Index, message.Step, message.Tag)) return false;
                if (message.Word != 0) state.Records[message.Step] = message.Word;
                Seated(state, sent);
                return true;
            default: throw new System.Diagnostics.UnreachableException(message.ToString());
        }
    }

    /// <summary>A copy is let in now and completes later.</summary>
    internal static bool LetIn(SiloState state, Message message, int number, IEnumerable<int> layers) =>
        layers.All(layer => state.Agent.Take(Vocabulary.Term(message.Term), layer, message.Step).Accepted) && state.LetIn.Add(number);

    /// <summary>A copy has arrived whole.</summary>
    internal bool Complete(SiloState state, Message message, List<Message> sent)
    {
        foreach (var (layer, value) in Pairs(message.Word))
        {
            if (!Hold(state, Vocabulary.Term(message.Term), layer, message.Step, value)) return false;
        }

        sent.Add(new Message(Kind.Copied, message.Term, -1, message.From, message.Step, message.To));
        return true;
    }

    internal IEnumerable<(int Layer, int Value)> Pairs(int word) => words.Text(word).Split(',', StringSplitOptions.RemoveEmptyEntries)
        .Select(static pair => pair.Split('=')).Select(static pair => (int.Parse(pair[0]), int.Parse(pair[1])));

    private bool Fence(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (!scenario.InventoryDoesNotFence)
        {
            var decision = state.Agent.Fence(term);
            if (!decision.Accepted) return false;
            if (decision.Effects.Count > 0) state.LetIn.Clear();
        }

        var inventory = string.Join('|', state.Agent.Inventory.Select(static layer => $"{layer.Key}:{string.Join(' ', layer.Value)}"));
        var records = string.Join(',', state.Records.Select(static record => $"{record.Key}={record.Value}"));
        sent.Add(
            new Message(
                Kind.Fenced,
                message.Term,
                -1,
                message.To,
                Word: words.Word($"{inventory}/{records}/{string.Join(',', state.Active)}")
            )
        );
        return true;
    }

    private bool Start(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (scenario.InventoryDoesNotFence) state.Agent.Fence(term);
        var plan = words.PlanOf(message.Word);
        var decision = state.Agent.Start(term, plan, message.Step);
        if (!decision.Accepted) return false;
        if (decision.Effects.Count > 0) (state.Starting, state.Reached) = (message, message.Step);
        foreach (var effect in decision.Effects)
        {
            switch (effect)
            {
                case AgentEffect.ClearGradients:
                    state.Leaves.Clear();
                    state.Measures.Clear();
                    break;
                case AgentEffect.DropVersion drop:
                    state.Values.Remove((drop.Layer, drop.Version));
                    state.Records.Remove(drop.Version);
                    break;
                case AgentEffect.TakeSeats seats:
                    foreach (var (layer, holder) in Pairs(message.Tag).Where(pair => seats.Missing.Contains(pair.Layer)))
                        sent.Add(new Message(Kind.Want, message.Term, holder, message.To, message.Step, layer));
                    break;
            }
        }

        if (scenario.OutsidersDropAtStart && decision.Effects.Count > 0 && state.Agent is IDropsEarly outsider)
        {
            var seats = plan.LayersOn(state.Self);
            Forget(state, outsider.DropVersions((layer, _) => !seats.Contains(layer)));
        }

        Seated(state, sent);
        return true;
    }

    /// <summary>Answers <c>Start</c> once nothing is left to be fetched.</summary>
    private void Seated(SiloState state, List<Message> sent)
    {
        if (state.Starting is not { } start || start.Term != state.Agent.Term.Counter || state.Agent.Phase is AgentPhase.Fenced) return;
        var held = Pairs(start.Tag).Select(static pair => pair.Layer).ToHashSet();
        var missing = state.Agent.Plan!.LayersOn(state.Self).Where(layer => !state.Agent.Holds(layer, start.Step)).ToArray();
        if (state.Agent.Phase != AgentPhase.Started && (start.Step > 0 || missing.Any(held.Contains)))
            return;
        sent.Add(
            new Message(Kind.Started, start.Term, -1, start.To, Step: start.Step, Index: state.Agent.Phase == AgentPhase.Started ? 0 : 1)
        );
    }

    private bool Forward(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (!state.Agent.Compute(term, message.Step, 0).Accepted || !Read(state, 0, message.Step, out var value)) return false;
        var plan = state.Agent.Plan!;
        var replica = plan.ReplicaOfMicrobatch(message.Index, Scenario.Microbatches);
        sent.Add(
            new Message(
                Kind.Up,
                message.Term,
                Processes.Of(plan.Silo(plan.ActiveSilo(replica, 1))),
                message.To,
                message.Step,
                message.Index,
                words.Act(message.Step, message.Index, value)
            )
        );
        return true;
    }

    private bool Up(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (!Read(state, 1, message.Step, out var value)) return false;
        var pass = words.Leaf(1, message.Tag, value);
        if (!Leaf(state, term, 1, message.Step, message.Index, pass)) return false;
        var plan = state.Agent.Plan!;
        var replica = plan.ReplicaOfMicrobatch(message.Index, Scenario.Microbatches);
        sent.Add(
            new Message(
                Kind.Down,
                message.Term,
                Processes.Of(plan.Silo(plan.ActiveSilo(replica, 0))),
                message.To,
                message.Step,
                message.Index,
                pass,
                pass
            )
        );
        return true;
    }

    /// <summary>A gradient becomes leaf (step, index): keyed, a second one with the same key changes nothing.</summary>
    private bool Leaf(SiloState state, Term term, int layer, int step, int index, int pass)
    {
        if (!state.Agent.StoreLeaf(term, step, layer).Accepted || !Read(state, layer, step, out var value)) return false;
        PutLeaf(state, layer, step, index, layer == 0 ? words.Leaf(0, pass, value) : pass);
        return true;
    }

    private static void PutLeaf(SiloState state, int layer, int step, int index, int leaf)
    {
        foreach (var other in state.Leaves.Keys.Where(key => key.Layer == layer && key.Step != step).ToArray()) state.Leaves.Remove(other);
        state.Leaves.TryAdd((layer, step, index), leaf);
    }

    private bool Read(SiloState state, int layer, int step, out int value)
    {
        if (state.Values.TryGetValue((layer, step - 1), out value)) return true;
        if (!scenario.ReadsAnyVersion) return false;
        value = state.Values.Where(pair => pair.Key.Layer == layer).Select(static pair => pair.Value).LastOrDefault();
        return value != 0;
    }

    private bool Reduce(SiloState state, Message message, Term term, List<Message> sent)
    {
        var layers = state.Active;
        if (layers.Length == 0) return false;
        foreach (var layer in layers)
        {
            if (!state.Agent.StoreLeaf(term, message.Step, layer).Accepted) return false;
        }

        var plan = state.Agent.Plan!;
        var peers = plan
            .Seats.Where(static seat => seat.Active && seat.Replica > 0)
            .Select(seat => Processes.Of(plan.Silo(seat.Silo)))
            .Distinct();
        string Held() =>
            string.Join(
                ',',
                state
                    .Leaves.Where(leaf => leaf.Key.Step == message.Step)
                    .Select(static leaf => $"{(leaf.Key.Layer * 10) + leaf.Key.Index}={leaf.Value}")
            );
        switch (message.Kind)
        {
            case Kind.Gather:
                foreach (var peer in peers) sent.Add(message with { Kind = Kind.AskSums, To = peer, From = message.To });
                return true;
            case Kind.AskSums:
                sent.Add(message with { Kind = Kind.Sums, To = message.From, From = message.To, Word = words.Word(Held()) });
                return true;
            default:
                foreach (var (key, leaf) in Pairs(message.Word))
                    PutLeaf(state, key / 10, message.Step, key % 10, leaf);
                if (state.Leaves.Count(leaf => leaf.Key.Step == message.Step) < layers.Length * Scenario.Microbatches)
                    return false;
                if (message.Kind == Kind.Whole)
                    sent.Add(new Message(Kind.Reduced, message.Term, -1, message.From, message.Step, message.To));
                else
                    foreach (var peer in peers)
                        sent.Add(message with { Kind = Kind.Whole, To = peer, From = message.To, Word = words.Word(Held()) });
                return true;
        }
    }

    private bool Prepare(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (!state.Agent.Prepare(term, message.Step).Accepted) return false;
        var measures = new List<string>();
        foreach (var layer in state.Active)
        {
            var leaves = state
                .Leaves.Where(leaf => leaf.Key.Layer == layer && leaf.Key.Step == message.Step)
                .Select(static leaf => leaf.Value)
                .ToArray();
            if (!state.Measures.ContainsKey(layer))
            {
                if (leaves.Length < Scenario.Microbatches) return false;
                state.Measures[layer] = words.Root(layer, leaves);
            }

            measures.Add($"{layer}={state.Measures[layer]}");
        }

        sent.Add(new Message(Kind.Prepared, message.Term, -1, message.To, message.Step, Word: words.Word(string.Join(',', measures))));
        return true;
    }

    private bool Apply(SiloState state, Message message, Term term, List<Message> sent)
    {
        if (state.Agent.Plan is null) return false;
        var decision = state.Agent.Apply(term, message.Step);
        if (!decision.Accepted) return false;
        state.Reached = Math.Max(state.Reached, message.Step);
        Forget(state, decision.Effects);
        foreach (var layer in decision.Effects.OfType<AgentEffect.TakeStep>().SelectMany(static step => step.Layers))
        {
            if (!state.Values.TryGetValue((layer, message.Step - 1), out var before) || !state.Measures.TryGetValue(layer, out var root))
                return false;
            if (state.Leaves.Count(leaf => leaf.Key.Layer == layer && leaf.Key.Step == message.Step) < Scenario.Microbatches)
                return false;
            if (!Hold(state, term, layer, message.Step, words.NextValue(layer, message.Step, before, root, message.Tag)))
                return false;
            state.Measures.Remove(layer);
            foreach (var leaf in state.Leaves.Keys.Where(key => key.Layer == layer).ToArray()) state.Leaves.Remove(leaf);
        }

        state.Records[message.Step] = message.Word;
        foreach (var old in state.Records.Keys.Where(step => step < message.Step - 1).ToArray()) state.Records.Remove(old);
        sent.Add(new Message(Kind.Applied, message.Term, -1, message.To, message.Step));
        return true;
    }

    private bool Hold(SiloState state, Term term, int layer, int version, int value)
    {
        if (!state.Agent.Held(term, layer, version).Accepted) return false;
        state.Values[(layer, version)] = value;
        if (scenario.PassiveSeatsDropEarly && !state.Active.Contains(layer) && state.Agent is IDropsEarly passive)
            Forget(state, passive.DropVersions((dropped, old) => dropped == layer && old < version));
        return true;
    }

    private static void Forget(SiloState state, IEnumerable<AgentEffect> effects)
    {
        foreach (var drop in effects.OfType<AgentEffect.DropVersion>()) state.Values.Remove((drop.Layer, drop.Version));
    }

    /// <summary>The weaker rule: a process that knows nothing says yes for its predecessor.</summary>
    private static bool Believe(Message message, List<Message> sent)
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
