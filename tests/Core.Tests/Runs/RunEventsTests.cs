using System.Reflection;
using System.Text.Json.Nodes;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>Events as sentences: a line of each as a run writes it, and how a person reads it.</summary>
public sealed class RunEventsTests
{
    public static TheoryData<string, string, string> Lines { get; } = new()
    {
        {
            RunEvents.Term,
            """{"term":3,"silos":["silo-0","silo-1"],"replicas":2,"standbys":["silo-2"],"fromStep":12,"replayed":4}""",
            "term 3 begins at step 12 on silo-0, silo-1 in 2 replicas, silo-2 standing by; steps made again: 4"
        },
        {
            RunEvents.Term,
            """{"term":4,"silos":["silo-0","silo-3"],"replicas":1,"standbys":[],"fromStep":14,"replayed":0,"lost":["silo-1"],"joined":["silo-3"]}""",
            "term 4 begins at step 14 on silo-0, silo-3; lost: silo-1; new: silo-3"
        },
        { RunEvents.TermEnded, """{"term":3,"reason":"silo silo-1 is gone"}""", "term 3 ended: silo silo-1 is gone" },
        { RunEvents.Started, """{"step":1,"seconds":{"open":0.5,"step":1.25}}""", "the first step was made, 1.75 s after the start" },
        {
            RunEvents.Recovered,
            """{"step":13,"seconds":{"fence":0.25,"seat":0.5}}""",
            "a loss was mended 0.75 s after it was noticed, with step 13"
        },
        {
            RunEvents.Continued,
            """{"step":13,"seconds":{"fence":0.25}}""",
            "training went on with step 13, 0.25 s after the change of silos"
        },
        { RunEvents.Joining, """{"silos":["silo-2"]}""", "silo-2 joined and is taken in" },
        { RunEvents.Joining, """{"silos":["silo-2","silo-3"]}""", "silo-2, silo-3 joined and are taken in" },
        { RunEvents.Leaving, """{"silo":"silo-2"}""", "silo-2 leaves, and others take its layers" },
        {
            RunEvents.LeftOut,
            """{"silo":"silo-2","reason":"it has 4 threads"}""",
            "the run goes on without silo-2: it has 4 threads"
        },
        { RunEvents.Evicted, """{"silo":"silo-2"}""", "silo-2 was evicted: other silos did not reach it" },
        { RunEvents.Snapshot, """{"step":50}""", "snapshot of step 50 written" },
        {
            RunEvents.FolderLost, """{"step":7}""",
            "the run's folder was lost, or cannot be written, after step 7; the run goes on in memory"
        },
        { RunEvents.FolderRebuilt, """{"step":9}""", "the run's folder is there again, with every line up to step 9" },
        { RunEvents.Best, """{"step":50}""", "step 50 has the best validation loss so far" },
        {
            RunEvents.Evaluation,
            """{"step":0,"exactMatch":0.025,"problems":200}""",
            "exact match after step 0: 2.5 % of 200 problems"
        },
        {
            RunEvents.Adapter,
            """{"step":50,"path":"runs/a/adapter","sha256":"93ab"}""",
            "result of step 50 written to runs/a/adapter (sha256 93ab)"
        },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public void An_event_is_a_sentence(string name, string details, string sentence) =>
        Assert.Equal(sentence, RunEvents.Sentence(name, JsonNode.Parse(details)!.AsObject()).Replace('\u00a0', ' '));

    /// <summary>Whatever the product can write (by name of this class alone, which a test of the source holds) is told above.</summary>
    [Fact]
    public void Every_event_that_can_be_written_has_its_sentence()
    {
        var names = typeof(RunEvents).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(static field => field.IsLiteral)
            .Select(static field => (string)field.GetRawConstantValue()!)
            .Order(StringComparer.Ordinal);
        Assert.Equal(names, Lines.Select(static line => line.Data.Item1).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_event_of_a_later_version_is_told_without_JSON() =>
        Assert.Equal("moved: from silo-0, to silo-1, layers 1, 2",
            RunEvents.Sentence("moved", JsonNode.Parse("""{"from":"silo-0","to":"silo-1","layers":[1,2]}""")!.AsObject()));
}
