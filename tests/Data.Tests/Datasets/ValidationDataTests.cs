using Peft.Orleans.Core.Runs;
using static Peft.Orleans.Data.Tests.Datasets.TokenRun;

namespace Peft.Orleans.Data.Tests.Datasets;

/// <summary>Validation samples, from the training data or a file of their own.</summary>
public sealed class ValidationDataTests
{
    [Fact]
    public void AValidationFractionIsTakenOutOfTheTrainingData()
    {
        using var folder = new TemporaryFolder();
        var spec = Spec(epochs: 1, globalBatch: 20, microbatch: 3, shuffle: true);
        var data = Load(folder, 20, spec with { Data = spec.Data with { Validation = new ValidationSource { Fraction = 0.25 } } });
        var train = Enumerable.Range(0, data.Microbatches(1)).SelectMany(i => Lines(data.Get(1, i))).ToArray();
        var validation = data.Validation.SelectMany(Lines).ToArray();
        Assert.Equal((15, 5, 2), (train.Length, validation.Length, data.Validation.Count));
        Assert.Equal(Enumerable.Range(0, 20), train.Concat(validation).Order());
        Assert.Equal(validation.Order(), validation);
    }

    [Fact]
    public void AValidationFileIsReadInItsOwnFormat()
    {
        using var folder = new TemporaryFolder();
        var validation = folder.WriteLines("v", Line(1, 2), Line(3, 4));
        var spec = Spec(steps: 1, globalBatch: 1, microbatch: 1, shuffle: true);
        var data = Load(folder, 3, spec with { Data = spec.Data with { Validation = new ValidationSource { Path = validation } } });
        Assert.Equal([1, 2], data.Validation[0].InputIds);
        Assert.Equal(2, data.Validation.Count);
        Assert.NotNull(data.ValidationSha256);
    }
}
