using CsCheck;
using Peft.Orleans.Core.Metrics;

namespace Peft.Orleans.Core.Tests.Metrics;

/// <summary>A run's course in points: of bounded number, and each the figure of its steps.</summary>
public sealed class StepSeriesTests
{
    [Fact]
    public void Every_step_is_a_point_while_there_is_room()
    {
        var course = Of(StepSeries.Most).Since(0, 0);
        Assert.Equal(1, course.Width);
        Assert.Equal(StepSeries.Most, course.Points.Length);
        Assert.All(course.Points, static point => Assert.Equal(LossOf(point.First), point.Loss));
    }

    [Fact]
    public void A_run_of_a_hundred_thousand_steps_is_as_light_as_one_of_a_few_hundred()
    {
        var course = Of(100_000).Since(0, 0);
        Assert.InRange(course.Points.Length, StepSeries.Most / 2, StepSeries.Most);
        Assert.Equal(1, course.Points[0].First);
        Assert.Equal(100_000, course.Points[^1].Last);
    }

    /// <summary>However many steps: what is told is their mean, least and most, computed here over all of them at once.</summary>
    [Fact]
    public void A_point_is_the_figure_of_its_steps() =>
        Gen.Int[1, 5000].Sample(static count =>
        {
            var course = Of(count).Since(0, 0);
            var begin = 1;
            foreach (var point in course.Points)
            {
                Assert.Equal(begin, point.First);
                var steps = Enumerable.Range(point.First, point.Last - point.First + 1).ToArray();
                Assert.True(steps.Length == course.Width || point.Last == count);
                Assert.Equal(steps.Average(LossOf), point.Loss, 9);
                Assert.Equal(steps.Min(LossOf), point.LossLow);
                Assert.Equal(steps.Max(LossOf), point.LossHigh);
                Assert.Equal(steps.Average(static step => step / 7.0), point.Lambda[1], 9);
                Assert.Equal(steps.Any(static step => step % 10 == 0), point.ValidationLoss is not null);
                begin = point.Last + 1;
            }

            Assert.Equal(count + 1, begin);
        }, iter: 15);

    /// <summary>Whoever asks again and again, and puts what comes in the place of what it knew, has what one has who asks once.</summary>
    [Fact]
    public void What_came_since_makes_what_was_known_whole() =>
        Gen.Int[1, 40].Array[1, 40].Sample(static pieces =>
        {
            var series = new StepSeries();
            var known = new List<StepPoint>();
            var (width, step) = (0, 0);
            foreach (var piece in pieces)
            {
                for (var i = 0; i < piece; i++) series.Add(Record(++step));
                var news = series.Since(known.Count > 0 ? known[^1].Last : 0, width);
                if (news.Whole) known.Clear();
                foreach (var point in news.Points)
                {
                    if (known.Count > 0 && known[^1].First == point.First) known.RemoveAt(known.Count - 1);
                    known.Add(point);
                }

                width = news.Width;
                Assert.Equal(series.Since(0, 0).Points.Select(Told), known.Select(Told));
            }
        }, iter: 15);

    [Fact]
    public void A_step_that_was_made_again_counts_once()
    {
        var series = Of(10);
        series.Add(Record(7));
        Assert.Equal(Of(10).Since(0, 0).Points.Select(Told), series.Since(0, 0).Points.Select(Told));
    }

    private static (int, int, double, double) Told(StepPoint point) => (point.First, point.Last, point.Loss, point.Lambda[0]);

    private static StepSeries Of(int count)
    {
        var series = new StepSeries();
        for (var step = 1; step <= count; step++) series.Add(Record(step));
        return series;
    }

    private static double LossOf(int step) => 5.0 / step + step % 13;

    private static StepRecord Record(int step) => new()
    {
        Step = step,
        Loss = LossOf(step),
        LearningRate = 1e-3,
        GradientNorm = step,
        Tokens = 10,
        TargetTokens = 5,
        Seconds = 1,
        Lambda = [0.5, step / 7.0],
        Term = 1,
        Silos = 2,
        ValidationLoss = step % 10 == 0 ? 1 : null,
    };
}
