using Peft.Orleans.Core;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Kernels.Versions;
using Peft.Orleans.Kernels.Weights;

namespace Peft.Orleans.Grains.Agents;

/// <summary>One layer's version as a file; it holds nothing that varies by silo, time or term. Device thread only.</summary>
internal static class LayerFiles
{
    /// <summary>Writes everything of it, for a snapshot.</summary>
    /// <returns>Name and hash of the file; empty for a layer that trains nothing.</returns>
    internal static (string File, string Sha256) WriteSnapshot(SeatedLayer layer, LayerVersion version, string folder)
    {
        if (layer.Shard.Layout.Size == 0) return ("", "");
        var name = RunFolder.LayerFile(layer.Shard.Layer);
        var path = Path.Combine(folder, name);
        VersionCodec.Write(version, path);
        return (name, FileHash.Of(path));
    }

    /// <summary>Writes its adapter's tensors, under the names of the adapter's file.</summary>
    /// <returns>Name and hash of the file; empty for a layer without an adapter.</returns>
    internal static (string File, string Sha256) WriteAdapter(SeatedLayer layer, LayerVersion version, string folder)
    {
        var tensors = layer.Shard.Export(version);
        if (tensors.Count == 0) return ("", "");
        try
        {
            var name = RunFolder.LayerFile(layer.Shard.Layer);
            var path = Path.Combine(folder, name);
            TensorFile.Write(path, tensors);
            return (name, FileHash.Of(path));
        }
        finally
        {
            foreach (var (_, value) in tensors) value.Dispose();
        }
    }
}
