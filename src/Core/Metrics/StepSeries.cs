namespace Peft.Orleans.Core.Metrics;

/// <summary>
/// The steps of a run in at most <see cref="Most"/> points, however many they are: when there is no room for one more, two become one.
/// </summary>
/// <remarks>Points begin at the same steps whoever makes them: a point's width is a power of two, and the first begins at step 1.</remarks>
public sealed class StepSeries
{
    /// <summary>Most points.</summary>
    public const int Most = 512;

    private readonly List<Sum> sums = [];
    private int width = 1;
    private int last;

    /// <summary>Takes the next step; one that is no later than the last is there already.</summary>
    public void Add(StepRecord step)
    {
        if (step.Step <= last) return;
        last = step.Step;
        while ((last - 1) / width >= Most) Halve();
        if (sums.Count == 0 || sums[^1].Place != (last - 1) / width) sums.Add(new Sum((last - 1) / width));
        sums[^1].Add(step);
    }

    /// <summary>What has come since, or all where points have become wider.</summary>
    /// <param name="after">The last step known; 0: none.</param>
    /// <param name="known">Width of the points known.</param>
    public StepCourse Since(int after, int known)
    {
        var whole = known != width || after <= 0 || after > last;
        return new StepCourse(width, whole, [.. sums.Where(sum => whole || sum.Last > after).Select(static sum => sum.Point())]);
    }

    private void Halve()
    {
        width *= 2;
        var halved = new List<Sum>();
        foreach (var sum in sums)
        {
            if (halved.Count > 0 && halved[^1].Place == sum.Place / 2) halved[^1].Add(sum);
            else halved.Add(sum.Moved());
        }

        sums.Clear();
        sums.AddRange(halved);
    }

    private sealed class Sum(int place)
    {
        private int first;
        private int count;
        private double loss;
        private double lossLow = double.PositiveInfinity;
        private double lossHigh = double.NegativeInfinity;
        private double norm;
        private double normHigh = double.NegativeInfinity;
        private double learningRate;
        private double? validation;
        private double[] lambda = [];

        public int Place { get; private set; } = place;

        public int Last { get; private set; }

        public void Add(StepRecord step)
        {
            if (count++ == 0) first = step.Step;
            Last = step.Step;
            loss += step.Loss;
            (lossLow, lossHigh) = (Math.Min(lossLow, step.Loss), Math.Max(lossHigh, step.Loss));
            norm += step.GradientNorm;
            normHigh = Math.Max(normHigh, step.GradientNorm);
            learningRate = step.LearningRate;
            validation = step.ValidationLoss ?? validation;
            Add(step.Lambda);
        }

        public void Add(Sum next)
        {
            count += next.count;
            Last = next.Last;
            loss += next.loss;
            (lossLow, lossHigh) = (Math.Min(lossLow, next.lossLow), Math.Max(lossHigh, next.lossHigh));
            norm += next.norm;
            normHigh = Math.Max(normHigh, next.normHigh);
            learningRate = next.learningRate;
            validation = next.validation ?? validation;
            Add(next.lambda);
        }

        public Sum Moved()
        {
            Place /= 2;
            return this;
        }

        public StepPoint Point() => new()
        {
            First = first,
            Last = Last,
            Loss = loss / count,
            LossLow = lossLow,
            LossHigh = lossHigh,
            GradientNorm = norm / count,
            GradientNormHigh = normHigh,
            LearningRate = learningRate,
            Lambda = [.. lambda.Select(value => value / count)],
            ValidationLoss = validation,
        };

        private void Add(double[] values)
        {
            if (lambda.Length < values.Length) Array.Resize(ref lambda, values.Length);
            for (var i = 0; i < values.Length; i++) lambda[i] += values[i];
        }
    }
}
