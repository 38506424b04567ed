using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Kernels.Torch;
using TorchSharp;
using SiloStatus = Orleans.Runtime.SiloStatus;

namespace Peft.Orleans.Silo.Health;

/// <summary>
/// What a silo says of itself to whatever keeps it alive and sends clients to it. All of it is known here: no grain is called and nothing
/// is read, so that a store or a neighbour that is away restarts no silo.
/// </summary>
internal sealed class Probes(DeviceThread device, ISiloStatusOracle membership, Departing departing, IHostApplicationLifetime host)
{
    private readonly Lock gate = new();
    private Task? trial;
    private bool worked;

    /// <summary>Whether it has come up: libtorch is loaded, the device works, and it has joined.</summary>
    internal string? NotStarted =>
        !host.ApplicationStarted.IsCancellationRequested ? "it is starting" : Silent("it joins") ?? DeviceFails();

    /// <summary>Whether clients may be sent here; null: they may, else why not.</summary>
    internal string? NotReady =>
        departing.Told || host.ApplicationStopping.IsCancellationRequested ? "it leaves" : Silent("it is no member") ?? DeviceFails();

    /// <summary>
    /// Whether the process lives. That it answers shows that its threads run; what is left is the device's, which ends only by an error
    /// that nothing mends, and hangs only where a device does.
    /// </summary>
    internal string? NotAlive => !device.Alive ? "the device's thread has ended"
        : device.Busy > ClusterTimes.Current.DeviceWork ? $"the device has been at one piece of work for {device.Busy.TotalSeconds:0} s"
        : null;

    private string? Silent(string otherwise) =>
        membership.CurrentStatus == SiloStatus.Active ? null : $"{otherwise} ({membership.CurrentStatus})";

    /// <summary>A sum on the device: the last one's end counts, and while one waits its turn behind a step none is added.</summary>
    private string? DeviceFails()
    {
        lock (gate)
        {
            if (!device.Alive) return "the device's thread has ended";
            var last = trial;
            if (trial is null or { IsCompleted: true }) trial = device.Run(DevicePriority.Background, Try);
            if (last is { IsFaulted: true }) return $"the device does not work: {last.Exception!.InnerException!.Message}";
            worked |= last is { IsCompletedSuccessfully: true };
            return worked ? null : "the device has not answered yet";
        }
    }

    private static void Try()
    {
        var sum = torch.ones(2, device: TorchRuntime.Device).sum().item<float>();
        if (sum != 2) throw new InvalidOperationException($"1 + 1 = {sum}");
    }
}
