using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>How a silo makes the gradients of a step: passes, leaves, sums, measures.</summary>
internal sealed class SiloGradients(Scenario scenario, Vocabulary words)
{
    /// <summary>A microbatch at the first layer: its activation goes up.</summary>
    internal bool Forward(SiloState state, Message message, Term term, List<Message> sent)
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

    /// <summary>A microbatch at the last layer: a leaf here, its gradient goes down.</summary>
    internal bool Up(SiloState state, Message message, Term term, List<Message> sent)
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
    internal bool Leaf(SiloState state, Term term, int layer, int step, int index, int pass)
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

    /// <summary>The replicas' leaves, gathered at the first seats and given back whole.</summary>
    internal bool Reduce(SiloState state, Message message, Term term, List<Message> sent)
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
                foreach (var (key, leaf) in words.Pairs(message.Word))
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

    /// <summary>Measures the sums of a step, where all its leaves are here.</summary>
    internal bool Prepare(SiloState state, Message message, Term term, List<Message> sent)
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
}
