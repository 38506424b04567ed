using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>How a silo carries messages out: as the agents of the product do, one handler at a time.</summary>
internal sealed class SiloModel(Scenario scenario, Vocabulary words)
{
    private readonly SiloGradients gradients = new(scenario, words);

    /// <summary>Hands a message over. <paramref name="state"/> is a copy of its own and is changed.</summary>
    /// <returns>False: refused, or failed.</returns>
    internal bool Receive(SiloState state, Message message, List<Message> sent)
    {
        var term = Vocabulary.Term(message.Term);
        var agent = state.Agent;
        if (scenario.GradientsOfAnyTerm && message.IsGradient) term = agent.Term;
        var self = message.To;
        if (scenario.EmptyIsBelieved && agent.Phase == AgentPhase.Empty && WeakerSilo.Believe(message, sent)) return true;
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
            case Kind.Forward: return gradients.Forward(state, message, term, sent);
            case Kind.Up: return gradients.Up(state, message, term, sent);
            case Kind.Down:
                if (!gradients.Leaf(state, term, 0, message.Step, message.Index, message.Tag)) return false;
                sent.Add(new Message(Kind.Passed, message.Term, -1, self, message.Step, message.Index, Word: message.Word));
                return true;
            case Kind.Gather or Kind.AskSums or Kind.Sums or Kind.Whole: return gradients.Reduce(state, message, term, sent);
            case Kind.Prepare: return gradients.Prepare(state, message, term, sent);
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
                foreach (var (layer, _) in words.Pairs(message.Word))
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
        foreach (var (layer, value) in words.Pairs(message.Word))
        {
            if (!Hold(state, Vocabulary.Term(message.Term), layer, message.Step, value)) return false;
        }

        sent.Add(new Message(Kind.Copied, message.Term, -1, message.From, message.Step, message.To));
        return true;
    }

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
        var claims = string.Join(',', state.Agent.Claims.Select(static claim => $"{(claim.Layer * 10) + claim.Version}={claim.Hash}"));
        sent.Add(
            new Message(
                Kind.Fenced,
                message.Term,
                -1,
                message.To,
                Word: words.Word($"{inventory}/{records}/{string.Join(',', state.Active)}/{claims}")
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
                    foreach (var (layer, holder) in words.Pairs(message.Tag).Where(pair => seats.Missing.Contains(pair.Key)))
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
        var held = words.Pairs(start.Tag).Select(static pair => pair.Key).ToHashSet();
        var missing = state.Agent.Plan!.LayersOn(state.Self).Where(layer => !state.Agent.Holds(layer, start.Step)).ToArray();
        if (state.Agent.Phase != AgentPhase.Started && (start.Step > 0 || missing.Any(held.Contains)))
            return;
        sent.Add(
            new Message(Kind.Started, start.Term, -1, start.To, Step: start.Step, Index: state.Agent.Phase == AgentPhase.Started ? 0 : 1)
        );
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
            var value = words.NextValue(layer, message.Step, before, root, message.Tag);
            if (state.Flips && layer == state.Active[0]) value = words.Flipped(value);
            if (!Hold(state, term, layer, message.Step, value, computed: true))
                return false;
            state.Measures.Remove(layer);
            foreach (var leaf in state.Leaves.Keys.Where(key => key.Layer == layer).ToArray()) state.Leaves.Remove(leaf);
        }

        state.Records[message.Step] = message.Word;
        foreach (var old in state.Records.Keys.Where(step => step < message.Step - 1).ToArray()) state.Records.Remove(old);
        var hashes = state.Agent.Claims.Where(claim => claim.Version == message.Step && state.Active.Contains(claim.Layer))
            .Select(static claim => $"{claim.Layer}={claim.Hash}");
        sent.Add(new Message(Kind.Applied, message.Term, -1, message.To, message.Step, Word: words.Word(string.Join(',', hashes))));
        return true;
    }

    private bool Hold(SiloState state, Term term, int layer, int version, int value, bool computed = false)
    {
        // A value is its own hash, which is said only where another replica computes the same.
        var hash = computed && scenario.Flips > 0 && state.Agent.Plan!.Replicas > 1 ? $"{value}" : "";
        if (!state.Agent.Held(term, layer, version, hash).Accepted) return false;
        state.Values[(layer, version)] = value;
        if (scenario.PassiveSeatsDropEarly && !state.Active.Contains(layer) && state.Agent is IDropsEarly passive)
            Forget(state, passive.DropVersions((dropped, old) => dropped == layer && old < version));
        return true;
    }

    private static void Forget(SiloState state, IEnumerable<AgentEffect> effects)
    {
        foreach (var drop in effects.OfType<AgentEffect.DropVersion>()) state.Values.Remove((drop.Layer, drop.Version));
    }
}
