using Peft.Orleans.Core.Protocol;

namespace Peft.Orleans.Core.Tests.Protocol.Exploration;

/// <summary>Kinds of message; those from <see cref="Fenced"/> on go to a coordinator.</summary>
internal enum Kind
{
    Fence, Start, Initialize, Forward, Up, Down, Gather, AskSums, Sums, Whole, Prepare, Apply, Protect, Put, Want, Value, Evict,
    Fenced, Started, Initialized, Passed, Reduced, Prepared, Applied, Copied,
}

/// <summary>One message. What is not a number is a word of the <see cref="Vocabulary"/>.</summary>
internal readonly record struct Message(Kind Kind, int Term, int To, int From = -1, int Step = 0, int Index = 0, int Tag = 0, int Word = 0)
{
    internal bool ToCoordinator => Kind >= Kind.Fenced;

    /// <summary>
    /// Changes nothing that a promise speaks of, nor anything that outlives the next fence: may as well arrive as soon as it is sent.
    /// </summary>
    internal bool AtOnce =>
        Kind
            is Kind.Forward
                or Kind.Up
                or Kind.Down
                or Kind.Gather
                or Kind.AskSums
                or Kind.Sums
                or Kind.Whole
                or Kind.Prepare
                or Kind.Protect
                or Kind.Want;

    /// <summary>Carries a microbatch forward or back.</summary>
    internal bool IsGradient => Kind is Kind.Forward or Kind.Up or Kind.Down;

    public override string ToString() =>
        $"{Kind}(term {Term}{(Step > 0 || Kind is Kind.Protect or Kind.Put or Kind.Value ? $", {Step}" : "")}) "
            + $"{(ToCoordinator ? $"from {Processes.Name(From)}" : $"to {Processes.Name(To)}")}";
}

/// <summary>Numbers for everything that is compared: values, messages, plans, texts. One per exploration.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> words = new() { [""] = 0 };
    private readonly List<string> texts = [""];
    private readonly Dictionary<Message, int> messages = [];
    private readonly List<Message> byNumber = [];
    private readonly Dictionary<int, SeatPlan> plans = [];

    internal int Word(string text)
    {
        if (words.TryGetValue(text, out var word)) return word;
        words[text] = word = texts.Count;
        texts.Add(text);
        return word;
    }

    internal string Text(int word) => texts[word];

    /// <summary>A text of the form <c>a=b,c=d</c>.</summary>
    internal IEnumerable<(int Key, int Value)> Pairs(int word) => Text(word).Split(',', StringSplitOptions.RemoveEmptyEntries)
        .Select(static pair => pair.Split('=')).Select(static pair => (int.Parse(pair[0]), int.Parse(pair[1])));

    internal int Number(Message message)
    {
        if (messages.TryGetValue(message, out var number)) return number;
        messages[message] = number = byNumber.Count;
        byNumber.Add(message);
        return number;
    }

    internal Message Message(int number) => byNumber[number];

    internal int Plan(SeatPlan plan)
    {
        var word = Word(
            "plan "
                + string.Join(',', plan.Silos.Select(static silo => silo.Incarnation))
                + string.Join(',', plan.Seats.Select(static seat => seat.ToString()))
        );
        plans.TryAdd(word, plan);
        return word;
    }

    internal SeatPlan PlanOf(int word) => plans[word];

    /// <summary>The term by counter; its nonce follows from it, since the durable record lets only one coordinator draw it.</summary>
    internal static Term Term(int counter) => counter == 0 ? Core.Protocol.Term.None : new(counter, new Guid(counter, 1, 1, new byte[8]));

    // What a step is, as words: any departure gives another word.
    internal int InitialValue(int layer) => Word($"v{layer}.0");

    internal int Act(int step, int index, int value) => Word($"act {step} {index} ({value})");

    internal int Leaf(int layer, int pass, int value) => Word($"leaf {layer} ({pass}) ({value})");

    internal int Root(int layer, IEnumerable<int> leaves) => Word($"root {layer} ({string.Join(',', leaves)})");

    internal int Clip(int step, IEnumerable<KeyValuePair<int, int>> roots) => Word($"clip {step} {string.Join(',', roots)}");

    internal int Record(int step, IEnumerable<KeyValuePair<int, int>> passes) => Word($"record {step} {string.Join(',', passes)}");

    internal int Flipped(int value) => Word($"flipped ({value})");

    internal int NextValue(int layer, int step, int before, int root, int clip) => Word($"v{layer}.{step} ({before}) ({root}) ({clip})");
}

/// <summary>Names of silos and of their processes: two lives per name.</summary>
internal static class Processes
{
    internal const int Count = 8;

    internal static string Silo(int process) => ((char)('a' + (process / 2))).ToString();

    internal static string Name(int process) => process < 0 ? "-" : $"{Silo(process)}{(process % 2) + 1}";

    internal static int Of(PlannedSilo silo) => ((silo.Name[0] - 'a') * 2) + (silo.Incarnation[1] - '1');

    internal static PlannedSilo Planned(int process) => new(Silo(process), Name(process), new Endpoint(Name(process), 1));
}
