using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Data.Files;
using Peft.Orleans.Data.SafeTensors;

namespace Peft.Orleans.Data.Runs;

/// <summary>
/// sha256 of every base tensor of a layer, <c>inputs/layer-0003.sha256</c> in the run's folder, as <c>sha256sum</c> writes: hashed by the
/// first silo that loads the layer, as it loads it, and compared by every silo that loads it later. A tensor's hash is over its bytes as
/// they are stored.
/// </summary>
public static class WeightRecord
{
    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdef");

    private const int BufferBytes = 1 << 20;

    /// <summary>Records what a silo loaded, or compares it with what is recorded.</summary>
    /// <param name="runFolder">The run's folder.</param>
    /// <param name="layer">Layer index.</param>
    /// <param name="hashes">sha256 of each tensor by name; a layer that reads no file has none.</param>
    /// <param name="modelPath">The model's folder, for messages.</param>
    /// <param name="silo">The silo, for messages.</param>
    /// <exception cref="UnfitSiloException">The silo sees other weights; names silo, tensor and both hashes.</exception>
    public static void Check(string runFolder, int layer, IReadOnlyDictionary<string, string> hashes, string modelPath, string silo)
    {
        if (hashes.Count == 0) return;
        var path = PathOf(runFolder, layer);
        if (!File.Exists(path) && TryWrite(path, hashes)) return;
        var recorded = Read(path);
        foreach (var (name, now) in hashes)
        {
            if (!recorded.TryGetValue(name, out var before) || before == now) continue;
            throw new UnfitSiloException(
                silo,
                $": model.path: {modelPath}: tensor '{name}' is another one than when the run was created: its sha256 was {before}, "
                + $"here it is {now}; every silo must see the model the run began with");
        }
    }

    /// <summary>Compares the recorded tensors that lie in some files with what these hold now.</summary>
    internal static void CheckFiles(string runFolder, string modelPath, HashSet<string> changed)
    {
        var folder = RunInputs.FolderOf(runFolder);
        if (changed.Count == 0 || !Directory.Exists(folder)) return;
        var weights = WeightFiles.Open(modelPath);
        foreach (var path in Directory.EnumerateFiles(folder, "layer-*.sha256").Order(StringComparer.Ordinal))
        {
            foreach (var (name, before) in Read(path))
            {
                // A bare decoder's file lacks what the causal model has before its names.
                if (!weights.TryFind(name, out var file, out var entry)
                    && !weights.TryFind(name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..], out file, out entry))
                    throw new PeftException(
                        $"model.path: {modelPath}: tensor '{name}' is gone; the run was created with it, its sha256 {before}"
                    );
                if (!changed.Contains(file))
                    continue;
                var now = HashOf(file, entry);
                if (now == before) continue;
                throw new PeftException(
                    $"model.path: {file} changed since the run was created: the sha256 of tensor '{name}' was {before}, now it is {now}; "
                    + "put the file back as it was, or start another run");
            }
        }
    }

    private static string PathOf(string runFolder, int layer) =>
        Path.Combine(RunInputs.FolderOf(runFolder), RunFolder.LayerName(layer) + ".sha256");

    /// <summary>False: another silo was first.</summary>
    private static bool TryWrite(string path, IReadOnlyDictionary<string, string> hashes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        File.WriteAllLines(
            temporary,
            hashes.OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => $"{pair.Value}  {pair.Key}")
        );
        try
        {
            File.Move(temporary, path, overwrite: false);
            return true;
        }
        catch (IOException) when (Path.Exists(path))
        {
            File.Delete(temporary);
            return false;
        }
    }

    private static Dictionary<string, string> Read(string path)
    {
        const int HashLength = 64;
        var recorded = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in Encoding.UTF8.GetString(JsonText.ReadAll(path, remedy: "")).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length < HashLength + 3 || line.AsSpan(0, HashLength).ContainsAnyExcept(Hexadecimal))
                throw new PeftException($"{path}: not the record of a layer's weights; start another run");
            recorded[line[(HashLength + 2)..]] = line[..HashLength];
        }

        return recorded;
    }

    private static string HashOf(string file, SafeTensorsEntry entry)
    {
        using var handle = File.OpenHandle(file);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferBytes];
        for (var done = 0L; done < entry.Bytes;)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, entry.Bytes - done));
            var read = RandomAccess.Read(handle, part, entry.Offset + done);
            if (read == 0) throw new PeftException($"{file}: the file ends inside tensor '{entry.Name}'; fetch it again");
            hash.AppendData(part[..read]);
            done += read;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
