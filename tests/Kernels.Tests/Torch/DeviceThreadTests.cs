using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Tests.Torch;

public class DeviceThreadTests
{
    [Fact]
    public async Task Waiting_work_runs_backward_first_and_in_order_within_a_queue()
    {
        using var device = new DeviceThread("test device");
        using var gate = new ManualResetEventSlim();
        var order = new List<string>();
        var blocker = device.Run(DevicePriority.Forward, gate.Wait);
        Task Add(DevicePriority priority, string name) => device.Run(priority, () => order.Add(name));
        Task[] all =
        [
            Add(DevicePriority.Background, "background"),
            Add(DevicePriority.Forward, "forward 1"),
            Add(DevicePriority.Backward, "backward 1"),
            Add(DevicePriority.Forward, "forward 2"), Add(DevicePriority.Backward, "backward 2"),
        ];
        gate.Set();
        await blocker;
        await Task.WhenAll(all);
        Assert.Equal(["backward 1", "backward 2", "forward 1", "forward 2", "background"], order);
    }

    [Fact]
    public async Task Work_has_its_own_scope_no_gradients_and_hands_errors_to_its_caller()
    {
        using var device = new DeviceThread("test device");
        var (kept, leftover) = await device.Run(DevicePriority.Forward, () =>
        {
            Assert.False(is_grad_enabled());
            var dropped = zeros(3);
            return (ones(3).MoveToOuterDisposeScope(), dropped);
        });
        using var sum = kept.sum();
        Assert.Equal(3, sum.item<float>());
        Assert.True(leftover.IsInvalid);
        kept.Dispose();
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => device.Run(DevicePriority.Forward, () => throw new InvalidOperationException("wrong")));
        Assert.Equal(7, await device.Run(DevicePriority.Forward, () => 7));
    }

    [Fact]
    public async Task Work_leaves_no_tensor_behind_failing_or_not()
    {
        using var device = new DeviceThread("test device");
        // The count is the process's, and what other tests have left to the collector still comes and goes: a leak of one a call
        // is far above that.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        for (var i = 0; i < 200; i++)
        {
            await device.Run(DevicePriority.Forward, () => zeros(3).add_(1).numel());
            await Assert.ThrowsAsync<InvalidOperationException>(() => device.Run(
                DevicePriority.Forward,
                () => throw new InvalidOperationException($"{zeros(3).numel()} numbers")));
        }

        Assert.InRange(Tensor.TotalCount, 0, before + 100);
    }

    [Fact]
    public async Task Work_not_begun_is_cancelled()
    {
        using var device = new DeviceThread("test device");
        using var gate = new ManualResetEventSlim();
        using var source = new CancellationTokenSource();
        var blocker = device.Run(DevicePriority.Forward, gate.Wait);
        var ran = false;
        var waiting = device.Run(DevicePriority.Forward, () => ran = true, source.Token);
        await source.CancelAsync();
        gate.Set();
        await blocker;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.False(ran);
    }
}
