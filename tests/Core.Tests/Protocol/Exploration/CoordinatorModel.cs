using Peft.Orleans.Core.Planning;
using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>How effects become messages, and answers events: as the run grain does it, without its clock and its files.</summary>
internal sealed class CoordinatorModel(Scenario scenario, Vocabulary words)
{
    internal CoordinatorState Begin(int term, int[] roster, List<Message> sent)
    {
        var state = new CoordinatorState(scenario.Coordinator(scenario.Steps)) { Term = term, Roster = roster };
        Carry(state, state.Protocol.Begin([.. roster.Where(static process => process >= 0).Select(Processes.Silo)]), sent);
        return state;
    }

    internal void Lost(CoordinatorState state, int process, List<Message> sent) =>
        Carry(state, state.Protocol.Lost(Processes.Silo(process)), sent);

    /// <summary>An answer has come in.</summary>
    internal void Receive(CoordinatorState state, Message answer, List<Message> sent)
    {
        if (state.Ended) return;
        var protocol = state.Protocol;
        var silo = Processes.Silo(answer.From);
        switch (answer.Kind)
        {
            case Kind.Fenced:
                var effects = protocol.Fenced(silo, Inventory(answer.Word), Claims(answer.Word));
                if (protocol.Phase is CoordinatorPhase.Fencing or CoordinatorPhase.Planning)
                    state.Inventories.TryAdd(answer.From, answer.Word);
                Carry(state, effects, sent);
                break;
            case Kind.Started: Carry(state, protocol.Started(silo, answer.Index == 1), sent); break;
            case Kind.Initialized:
                if (protocol.Phase == CoordinatorPhase.Initializing && AllParts(state, answer.From, First(state)))
                    Carry(state, protocol.Initialized(), sent);
                break;
            case Kind.Passed:
                if (protocol.Phase != CoordinatorPhase.Computing || answer.Step != state.Computing) break;
                state.Passes[answer.Index] = answer.Word;
                if (state.Passes.Count == Scenario.Microbatches)
                {
                    state.Records[answer.Step] = words.Record(answer.Step, state.Passes);
                    state.Passes.Clear();
                    Carry(state, protocol.GradientsComputed(answer.Step), sent);
                }

                break;
            case Kind.Reduced:
                if (protocol.Phase == CoordinatorPhase.Reducing && AllParts(state, answer.Index, Others(state)))
                    Carry(state, protocol.Reduced(silo, answer.Step), sent);
                break;
            case Kind.Prepared:
                if (protocol.Phase != CoordinatorPhase.Preparing) break;
                foreach (var pair in words.Text(answer.Word).Split(',', StringSplitOptions.RemoveEmptyEntries))
                    state.Roots[int.Parse(pair.Split('=')[0])] = int.Parse(pair.Split('=')[1]);
                Carry(state, protocol.Prepared(silo, answer.Step), sent);
                break;
            case Kind.Applied:
                if (protocol.Phase == CoordinatorPhase.Applying && answer.Word != 0) state.Now[answer.From] = answer.Word;
                var applied = protocol.Applied(silo, answer.Step);
                if (applied.Count == 0) break;
                if (Judge(state, sent)) Carry(state, applied, sent);
                break;
            case Kind.Copied:
                if (answer.Step != state.Protected) break;
                var plan = words.PlanOf(state.Plan);
                var targets = plan.FirstLayersOn(silo)
                    .SelectMany(layer => plan.CopiesOf(layer, answer.Step))
                    .Distinct()
                    .Select(target => (answer.From * 8) + state.ProcessOf(target))
                    .ToArray();
                state.Parts.Add(100 + (answer.From * 8) + answer.Index);
                if (targets.All(part => state.Parts.Contains(100 + part))) Carry(state, protocol.Protected(silo, answer.Step), sent);
                break;
        }
    }

    /// <summary>The line is written, or a former writer's line has gone nowhere.</summary>
    internal void Written(CoordinatorState state, List<Message> sent)
    {
        var step = state.Reporting;
        state.Reporting = -1;
        foreach (var old in state.Records.Keys.Where(record => record < step).ToArray()) state.Records.Remove(old);
        Carry(state, state.Protocol.Reported(step), sent);
    }

    /// <summary>All have answered: plan and target.</summary>
    internal void MakePlan(CoordinatorState state, int lines, List<Message> sent)
    {
        state.Planning = false;
        foreach (var inventory in state.Inventories.Values)
        {
            foreach (var record in words.Text(inventory).Split('/')[1].Split(',', StringSplitOptions.RemoveEmptyEntries))
                state.Records[int.Parse(record.Split('=')[0])] = int.Parse(record.Split('=')[1]);
        }

        if (state.Inventories.Count == 0)
        {
            state.Ended = true;
            return;
        }

        var plan = Planner.Plan(
            [
                .. state.Inventories.Select(pair => new SiloInventory(
                    Processes.Planned(pair.Key),
                    [.. Numbers(words.Text(pair.Value).Split('/')[2], ',')]
                )),
            ],
            Scenario.Model,
            scenario.Plan
        );
        state.Plan = words.Plan(plan);
        Carry(state, state.Protocol.Planned(plan, [], lines), sent);
        foreach (var (process, inventory) in state.Inventories)
        {
            var again = Claims(inventory).Where(claim => claim.Version == state.Protocol.Stable + 1)
                .Select(static claim => $"{claim.Layer}={claim.Hash}").ToArray();
            if (again.Length > 0) state.Before[process] = words.Word(string.Join(',', again));
        }

        state.Inventories.Clear();
    }

    /// <summary>All have applied a step: compares what they say of it, as the product does.</summary>
    /// <returns>False: they differ, and the term ends.</returns>
    private bool Judge(CoordinatorState state, List<Message> sent)
    {
        for (var layer = 0; layer < Scenario.Layers && state.Now.Count > 0; layer++)
        {
            switch (SeatVerdict.Of(Said(state.Now, layer), Said(state.Before, layer)))
            {
                case SeatVerdict.Agreed: continue;
                case SeatVerdict.Wrong wrong:
                    foreach (var silo in wrong.Silos) sent.Add(new Message(Kind.Evict, state.Term, state.ProcessOf(silo)));
                    break;
                case SeatVerdict.Undecided: state.Stopped = true; break;
            }

            state.Ended = true;
            return false;
        }

        state.Now.Clear();
        state.Before.Clear();
        return true;
    }

    private Dictionary<string, string> Said(SortedDictionary<int, int> by, int layer) => by
        .SelectMany(said => words.Pairs(said.Value).Where(pair => pair.Key == layer)
            .Select(pair => (Silo: Processes.Silo(said.Key), Hash: $"{pair.Value}")))
        .ToDictionary(static said => said.Silo, static said => said.Hash);

    internal void AskEnd(CoordinatorState state) => state.Protocol.AskEnd(EndRequest.Replan);

    private void Carry(CoordinatorState state, IReadOnlyList<CoordinatorEffect> effects, List<Message> sent)
    {
        var term = state.Term;
        foreach (var effect in effects)
        {
            switch (effect)
            {
                case CoordinatorEffect.SendFence fence: sent.Add(new Message(Kind.Fence, term, state.ProcessOf(fence.Silo))); break;
                case CoordinatorEffect.MakePlan: state.Planning = true; break;
                case CoordinatorEffect.SendStart start:
                    sent.Add(
                        new Message(
                            Kind.Start,
                            term,
                            state.ProcessOf(start.Silo),
                            Step: start.Target,
                            Tag: words.Word(Holders(state, start.Target)),
                            Word: state.Plan
                        )
                    );
                    break;
                case CoordinatorEffect.Initialize:
                    foreach (var silo in First(state)) sent.Add(new Message(Kind.Initialize, term, silo));
                    break;
                case CoordinatorEffect.SendProtect protect:
                    if (state.Protected != protect.Version) state.Parts.Clear();
                    state.Protected = protect.Version;
                    sent.Add(new Message(Kind.Protect, term, state.ProcessOf(protect.Silo), Step: protect.Version));
                    break;
                case CoordinatorEffect.Report report:
                    if (report.Step > 0 && !state.Records.ContainsKey(report.Step)) state.Ended = true;
                    else state.Reporting = report.Step;
                    break;
                case CoordinatorEffect.ComputeGradients compute:
                    state.Computing = compute.Step;
                    state.Passes.Clear();
                    var plan = words.PlanOf(state.Plan);
                    for (var i = 0; i < Scenario.Microbatches; i++)
                    {
                        var silo = plan.ActiveSilo(plan.ReplicaOfMicrobatch(i, Scenario.Microbatches), 0);
                        sent.Add(new Message(Kind.Forward, term, state.ProcessOf(silo), Step: compute.Step, Index: i));
                    }

                    break;
                case CoordinatorEffect.SendReduce reduce:
                    sent.Add(new Message(Kind.Gather, term, state.ProcessOf(reduce.Silo), Step: reduce.Step));
                    break;
                case CoordinatorEffect.SendPrepare prepare:
                    sent.Add(new Message(Kind.Prepare, term, state.ProcessOf(prepare.Silo), Step: prepare.Step));
                    break;
                case CoordinatorEffect.SendApply apply:
                    sent.Add(
                        new Message(
                            Kind.Apply,
                            term,
                            state.ProcessOf(apply.Silo),
                            Step: apply.Step,
                            Tag: words.Clip(apply.Step, state.Roots),
                            Word: state.Records[apply.Step]
                        )
                    );
                    break;
                case CoordinatorEffect.Finish finish: state.Finished = finish; break;
            }
        }
    }

    private static bool AllParts(CoordinatorState state, int part, IEnumerable<int> all)
    {
        state.Parts.Add(part);
        if (!all.All(state.Parts.Contains)) return false;
        state.Parts.RemoveWhere(static had => had < 100);
        return true;
    }

    private IEnumerable<int> First(CoordinatorState state) =>
        words
            .PlanOf(state.Plan)
            .Seats.Where(static seat => seat is { Active: true, Replica: 0 })
            .Select(seat => state.ProcessOf(seat.Silo))
            .Distinct();

    private IEnumerable<int> Others(CoordinatorState state) =>
        words
            .PlanOf(state.Plan)
            .Seats.Where(static seat => seat is { Active: true, Replica: > 0 })
            .Select(seat => state.ProcessOf(seat.Silo))
            .Distinct();

    private string Holders(CoordinatorState state, int target)
    {
        var holders = new SortedDictionary<int, int>();
        foreach (var (process, inventory) in state.Inventories)
        {
            foreach (var (layer, versions) in Inventory(inventory))
            {
                if (versions.Contains(target)) holders.TryAdd(layer, process);
            }
        }

        return string.Join(',', holders.Select(static pair => $"{pair.Key}={pair.Value}"));
    }

    private Dictionary<int, int[]> Inventory(int word) =>
        words
            .Text(word)
            .Split('/')[0]
            .Split('|', StringSplitOptions.RemoveEmptyEntries)
            .Select(static layer => layer.Split(':'))
            .ToDictionary(static layer => int.Parse(layer[0]), static layer => Numbers(layer[1], ' ').ToArray());

    private VersionClaim[] Claims(int word) =>
    [
        .. words.Pairs(words.Word(words.Text(word).Split('/')[3]))
            .Select(static pair => new VersionClaim(pair.Key / 10, pair.Key % 10, $"{pair.Value}")),
    ];

    private static IEnumerable<int> Numbers(string text, char separator) =>
        text.Split(separator, StringSplitOptions.RemoveEmptyEntries).Select(int.Parse);
}
