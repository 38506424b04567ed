namespace Peft.Orleans.Core.Runs;

/// <summary>The learning rate as a pure function of the step.</summary>
public static class LearningRateSchedule
{
    /// <summary>
    /// The rate of each <see cref="ParameterGroup"/> at step <paramref name="step"/> of <paramref name="steps"/>, in their order.
    /// </summary>
    public static double[] Rates(TrainingSpec training, int step, int steps)
    {
        var factor = Factor(training.Schedule, step, steps);
        var options = training.Optimizer;
        return [options.LearningRate * factor, (options.BoftLearningRate ?? options.LearningRate) * factor];
    }

    /// <summary>
    /// Factor on the base learning rate at step <paramref name="step"/> (from 1) of <paramref name="steps"/>: min(1, s/w) · c.
    /// </summary>
    public static double Factor(ScheduleSpec schedule, int step, int steps)
    {
        var warmup = schedule.WarmupSteps > 0 ? Math.Min(1.0, (double)step / schedule.WarmupSteps) : 1.0;
        var progress = (double)(step - 1) / steps;
        var c = schedule.Name switch
        {
            ScheduleName.Linear => 1.0 - progress,
            ScheduleName.Cosine => 0.5 * (1.0 + Math.Cos(Math.PI * progress)),
            _ => 1.0,
        };
        return warmup * c;
    }
}
