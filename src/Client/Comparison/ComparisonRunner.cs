using System.Globalization;
using Peft.Orleans.Core.Methods;
using Peft.Orleans.Core.Models;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Comparison;

/// <summary>How a run is made and read: on silos, or in a test.</summary>
internal interface IRunMaker
{
    /// <summary>The figures of a run that is completed; null: it is not.</summary>
    RunMeasure? Finished(PlannedRun run);

    /// <summary>
    /// Starts or continues a run and waits for its end: <c>completed</c>, <c>failed</c> or <c>stopped</c>, with a message.
    /// </summary>
    Task<(string Word, string Message)> Train(PlannedRun run);
}

/// <summary>
/// Makes every run of a comparison, one after the other. What is completed is read, not made again: the id of a run is a hash of all its
/// result depends on.
/// </summary>
/// <param name="file">The comparison.</param>
/// <param name="resolver">Makes run files.</param>
/// <param name="model">Sizes of the model.</param>
/// <param name="samples">Training samples; null: not known.</param>
/// <param name="silos">Silos of each run.</param>
/// <param name="maker">Makes and reads runs.</param>
/// <param name="time">For the estimate of what is left.</param>
internal sealed class ComparisonRunner(
    ComparisonFile file,
    CombinationResolver resolver,
    ModelDimensions model,
    int? samples,
    int silos,
    IRunMaker maker,
    TimeProvider time
)
{
    private readonly List<MethodResult> results = [];
    private readonly Dictionary<string, MeasuredRun> known = new(StringComparer.Ordinal);
    private int reached;
    private int total;
    private int repeated;
    private int made;
    private TimeSpan spent;

    /// <summary>Whether the last run was stopped on demand.</summary>
    public bool Interrupted { get; private set; }

    /// <summary>Says which run of how many comes, and what is left.</summary>
    public Action<string> Note { get; init; } = static _ => { };

    /// <summary>Called when a run has ended.</summary>
    public Action<ComparisonResult> Progress { get; init; } = static _ => { };

    /// <summary>As far as it has come.</summary>
    public ComparisonResult Result => new([.. results], silos, known.Values.Count(static run => run.Measure is not null), known.Count);

    /// <summary>Makes all runs, or those up to an interruption.</summary>
    public async Task<ComparisonResult> Run()
    {
        foreach (var method in file.Methods)
        {
            var first = resolver.Candidates(method);
            total += first.Count + file.Repeats - 1;
            if (CombinationResolver.Control(method, first[0], model) is { } control)
                total += resolver.Candidates(control, control: true).Count + file.Repeats - 1;
        }

        foreach (var method in file.Methods)
        {
            if (await Method(method, null) is not { } chosen) break;
            if (CombinationResolver.Control(method, chosen, model) is not { } control) continue;
            if (await Method(control, (method.Label, model.Trainable(chosen.Spec.Method))) is null) break;
        }

        return new ComparisonResult(
            [.. results],
            silos,
            known.Values.Count(static run => run.Measure is not null),
            Interrupted ? Math.Max(known.Count, total - repeated) : known.Count
        );
    }

    /// <summary>All runs of one method; null: interrupted.</summary>
    private async Task<PlannedRun?> Method(ComparedMethod method, (string Label, long Trainable)? controls)
    {
        var candidates = resolver.Candidates(method, controls is not null);
        var tried = new List<MeasuredRun>();
        var seeds = new List<MeasuredRun>();
        var place = results.Count;
        var chosen = candidates[0];
        void Record()
        {
            var result = new MethodResult(
                method, controls?.Label, model.Trainable(chosen.Spec.Method), controls?.Trainable, StepsPerEpoch(chosen.Spec),
                candidates.Count > 1 ? [.. tried] : [], chosen.Chosen, [.. seeds]);
            if (results.Count == place) results.Add(result);
            else results[place] = result;
            Progress(Result);
        }

        foreach (var candidate in candidates)
        {
            if (await Make(method, candidate) is not { } run) return null;
            tried.Add(run);
            chosen = Best(tried);
            if (candidates.Count > 1) Record();
        }

        for (var repeat = 0; repeat < file.Repeats; repeat++)
        {
            var seeded = resolver.Repeat(method, chosen, repeat, controls is not null);
            if (repeat == 0) seeds.Add(tried.Find(run => run.Run.Id == chosen.Id)!);
            else if (await Make(method, seeded) is { } run) seeds.Add(run);
            else return null;
            Record();
        }

        return chosen;
    }

    /// <summary>The lowest validation loss; the first where none is known.</summary>
    private static PlannedRun Best(List<MeasuredRun> tried) =>
        tried.MinBy(static run => run.Measure?.ValidationLoss is { } loss && double.IsFinite(loss) ? loss : double.PositiveInfinity)!.Run;

    private async Task<MeasuredRun?> Make(ComparedMethod method, PlannedRun run)
    {
        reached++;
        if (known.TryGetValue(run.Id, out var same))
        {
            repeated++;
            return same;
        }

        var values = string.Concat(run.Chosen.Select(static item => $", {item.Key} {item.Plain}"));
        var title = string.Create(
            CultureInfo.InvariantCulture,
            $"run {reached} of {total}: {method.Label}, seed {run.Spec.Seed}{values}"
        );
        if (maker.Finished(run) is { } measure)
        {
            Note($"{title}: completed already ({run.Id})");
            return known[run.Id] = new MeasuredRun(run, measure, null);
        }

        Note(title + (made == 0 ? "" : $"; about {Left(spent / made * (total - reached + 1))} left"));
        var begun = time.GetTimestamp();
        var (word, message) = await maker.Train(run);
        spent += time.GetElapsedTime(begun);
        made++;
        if (word == "stopped")
        {
            Interrupted = true;
            return null;
        }

        measure = maker.Finished(run);
        if (measure is null) Note($"{title}: {word}: {message}");
        return known[run.Id] = new MeasuredRun(run, measure, measure is null ? message : null);
    }

    private int? StepsPerEpoch(RunSpec spec) =>
        samples is { } count ? (count + spec.Training.GlobalBatch - 1) / spec.Training.GlobalBatch : null;

    private static string Left(TimeSpan time) => time.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}:{time.Seconds:00}");
}
