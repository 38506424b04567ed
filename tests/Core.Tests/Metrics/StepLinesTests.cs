using Peft.Orleans.Core.Metrics;
using Xunit;

namespace Peft.Orleans.Core.Tests.Metrics;

/// <summary>The lines of metrics.jsonl and samples.jsonl to the byte: others read them.</summary>
public class StepLinesTests
{
    private static readonly StepRecord Step = new()
    {
        Step = 3,
        Loss = 2.25,
        LearningRate = 1e-4,
        GradientNorm = 0.5,
        Tokens = 40,
        TargetTokens = 30,
        Seconds = 0.1234567891,
        Term = 2,
        Silos = 3,
        Samples = ["aa", "bb"],
    };

    [Fact]
    public void A_step_of_a_method_without_lambda()
    {
        Assert.Equal(
            """{"step":3,"loss":2.25,"learningRate":0.0001,"gradientNorm":0.5,"tokens":40,"targetTokens":30,"seconds":0.123457,"term":2,"silos":3}""",
            StepLines.Metrics(Step));
        Assert.Equal("""{"step":3,"samples":["aa","bb"]}""", StepLines.SamplesOf(Step));
    }

    [Fact]
    public void Lambda_stands_before_the_term_and_the_validation_loss_at_the_end()
    {
        var line = StepLines.Metrics(Step with { Lambda = [0.5, 0.25], ValidationLoss = 2.5 });
        Assert.EndsWith(
            ""","seconds":0.123457,"lambda":[0.5,0.25],"term":2,"silos":3,"validationLoss":2.5}""",
            line,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_record_comes_back_from_a_snapshot_as_it_was_written()
    {
        var written = Step with { Seconds = 0.125, Lambda = [0.1, 0.2] };
        var read = StepLines.Read(StepLines.Whole(written))!;
        Assert.Equal(StepLines.Whole(written), StepLines.Whole(read));
        Assert.Equal(written.Samples, read.Samples);
        Assert.Equal(written.Loss, read.Loss);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"step\":1,\"lo")]
    [InlineData("[1]")]
    [InlineData("{\"loss\":1}")]
    [InlineData("{\"step\":\"one\"}")]
    public void What_is_no_step_is_none(string line) => Assert.Null(StepLines.Read(line));
}
