using Peft.Orleans.Kernels.Versions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Grains.Agents;

/// <summary>
/// The versions of one layer on this silo, whether it computes here or is only kept: two at a time, in buffers that are used again. Device
/// thread only.
/// </summary>
internal sealed class KeptVersions : IDisposable
{
    private readonly Dictionary<int, LayerVersion> versions = [];
    private readonly Stack<LayerVersion> free = [];
    private ParameterLayout? layout;
    private Device? device;
    private Tensor? constants;

    internal LayerVersion? Find(int step) => versions.GetValueOrDefault(step);

    internal IEnumerable<LayerVersion> All => versions.Values;

    /// <summary>The layer computes here from now on: versions live in buffers of its layout, on its device.</summary>
    internal void Seat(ParameterLayout seated, Device on)
    {
        if (layout is not null) return;
        (layout, device) = (seated, on);
        constants = zeros(seated.ConstantSize, float32, on).DetachFromDisposeScope();
        foreach (var (step, version) in versions.ToArray())
        {
            var placed = Rent();
            placed.CopyFrom(version);
            version.Dispose();
            versions[step] = placed;
        }
    }

    /// <summary>The layer does not compute here any more: its versions stay as they are, new ones come as they are sent.</summary>
    internal void Unseat()
    {
        layout = null;
        device = null;
        constants?.Dispose();
        constants = null;
        foreach (var version in free) version.Dispose();
        free.Clear();
        foreach (var version in versions.Values) version.Invalidate(keepHash: true);
    }

    /// <summary>A buffer for a new version of a layer that computes here; what never changes is held once for all of them.</summary>
    internal LayerVersion Rent() => free.TryPop(out var version) ? version : new LayerVersion(
        layout ?? throw new InvalidOperationException("a layer that is only kept makes no versions"), device!, constants);

    /// <summary>Keeps a version under its step; one that is there already gives its buffers back.</summary>
    internal void Keep(LayerVersion version)
    {
        if (versions.TryGetValue(version.Step, out var former) && !ReferenceEquals(former, version)) Recycle(former);
        versions[version.Step] = version;
    }

    /// <summary>Takes a version that came from elsewhere: as it is, or into buffers of the layout where the layer computes here.</summary>
    internal void Adopt(LayerVersion version)
    {
        if (layout is null)
        {
            Keep(version);
            return;
        }

        var placed = Rent();
        placed.CopyFrom(version);
        version.Dispose();
        Keep(placed);
    }

    /// <summary>Gives a rented buffer back unused.</summary>
    internal void Return(LayerVersion version) => Recycle(version);

    internal void Drop(int step)
    {
        if (versions.Remove(step, out var version)) Recycle(version);
    }

    public void Dispose()
    {
        foreach (var version in versions.Values) version.Dispose();
        foreach (var version in free) version.Dispose();
        versions.Clear();
        free.Clear();
        constants?.Dispose();
    }

    private void Recycle(LayerVersion version)
    {
        if (layout is null)
        {
            version.Dispose();
            return;
        }

        version.Invalidate();
        free.Push(version);
    }
}
