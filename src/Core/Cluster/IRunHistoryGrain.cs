using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Core.Cluster;

/// <summary>
/// What a run's journals tell those who watch it: of bounded size however long the run is, and without a word to its coordinator; key: run
/// id.
/// </summary>
[Alias("Peft.Orleans.IRunHistoryGrain")]
public interface IRunHistoryGrain : IGrainWithStringKey
{
    /// <summary>The run's steps in at most <see cref="StepSeries.Most"/> points, or those since a step.</summary>
    /// <param name="after">The last step known; 0: none.</param>
    /// <param name="width">Width of the points known.</param>
    [Alias("Steps")]
    Task<StepCourse> Steps(int after, int width);

    /// <summary>Events with a number above <paramref name="after"/>; of very many the last, changes of silos and terms before others.
    /// </summary>
    [Alias("Events")]
    Task<IReadOnlyList<NumberedEvent>> Events(int after);

    /// <summary>What the run trains, and how.</summary>
    [Alias("Subject")]
    Task<RunSubject> Subject();
}

/// <summary>A line of events.jsonl.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Line">JSON.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.NumberedEvent")]
public sealed record NumberedEvent([property: Id(0)] int Number, [property: Id(1)] string Line);

/// <summary>What a run trains, and how, in words.</summary>
/// <param name="Method">The method's title.</param>
/// <param name="Model">Last name of the model's path.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.RunSubject")]
public sealed record RunSubject([property: Id(0)] string Method, [property: Id(1)] string Model);
