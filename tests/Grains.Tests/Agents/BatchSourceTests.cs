using Peft.Orleans.Core.Batches;
using Peft.Orleans.Grains.Agents;

namespace Peft.Orleans.Grains.Tests.Agents;

public class BatchSourceTests
{
    private readonly List<BatchKey> asked = [];
    private Exception? failure;

    [Fact]
    public async Task The_next_steps_microbatch_is_asked_for_ahead_and_each_only_once()
    {
        var source = new BatchSource(Dataset);
        await source.Get("run", BatchKey.Training(1, 0));
        await source.Get("run", BatchKey.Training(1, 0));
        await source.Get("run", BatchKey.Training(2, 0));
        Assert.Equal([BatchKey.Training(1, 0), BatchKey.Training(2, 0), BatchKey.Training(3, 0)], asked);
    }

    [Fact]
    public async Task A_step_made_again_after_a_recovery_is_asked_for_again()
    {
        var source = new BatchSource(Dataset);
        await source.Get("run", BatchKey.Training(3, 0));
        var again = await source.Get("run", BatchKey.Training(2, 0));
        Assert.Equal("2/0", again.ContentHash);
    }

    [Fact]
    public async Task A_data_set_that_was_lost_is_asked_again_when_it_is_back()
    {
        var source = new BatchSource(Dataset);
        failure = new InvalidOperationException("the silo is gone");
        await Assert.ThrowsAsync<InvalidOperationException>(() => source.Get("run", BatchKey.Training(1, 0)));
        failure = null;
        Assert.Equal("1/0", (await source.Get("run", BatchKey.Training(1, 0))).ContentHash);
    }

    [Fact]
    public async Task A_microbatch_that_does_not_exist_is_named()
    {
        var source = new BatchSource(Dataset);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => source.Get("run", BatchKey.Training(1, 9)));
        Assert.Contains("no microbatch 9 of step 1", error.Message, StringComparison.Ordinal);
    }

    private Task<Microbatch?> Dataset(string runId, BatchKey key)
    {
        asked.Add(key);
        if (failure is not null) return Task.FromException<Microbatch?>(failure);
        return Task.FromResult(key.Index > 0 ? null : new Microbatch
        {
            Rows = 1,
            Columns = 1,
            InputIds = [0],
            Labels = [0],
            SampleLengths = [[1]],
            ContentHash = $"{key.Step}/{key.Index}",
        });
    }
}
