using Peft.Orleans.Grains.Terms;
using Peft.Orleans.Grains.Tests.Runs;

namespace Peft.Orleans.Grains.Tests.Terms;

/// <summary>How version 0 comes to be.</summary>
public sealed class FirstVersionTests
{
    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 3)]
    public async Task Samples_pass_through_the_base_only_where_a_method_learns_of_it(bool estimated, int samples)
    {
        var silos = new FakeSilos(3, "a", "b");
        using var run = new CoordinatedRun(silos);
        var term = await run.Seated();
        var initialized = new List<string>();
        silos.Before = (silo, message, _) =>
        {
            if (message == "Initialize") initialized.Add(silo.Name);
        };
        await new FirstVersion(term, silos).Make(estimated);
        // The data set has three samples, fewer than a method asks for.
        Assert.Equal(samples, silos.Estimates);
        Assert.Equal(term.FirstSilos, initialized);
        Assert.Equal("initialising the adapter", term.Progress.Status.Message);
    }
}
