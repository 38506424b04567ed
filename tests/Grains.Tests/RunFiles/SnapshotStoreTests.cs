using System.Security.Cryptography;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Grains.RunFiles;
using Xunit;

namespace Peft.Orleans.Grains.Tests.RunFiles;

public sealed class SnapshotStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("snapshots").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_newest_valid_snapshot_of_the_run_file_is_found()
    {
        var store = new SnapshotStore(new RunFolder(folder));
        Commit(store, 1);
        Commit(store, 2);
        Assert.Equal(2, store.Newest("hash")!.Step);
        Assert.Null(store.Newest("another run file"));
    }

    [Theory]
    [InlineData("truncate")]
    [InlineData("flip")]
    [InlineData("remove")]
    [InlineData("manifest")]
    public void A_damaged_snapshot_is_noticed_and_the_former_one_used(string damage)
    {
        var store = new SnapshotStore(new RunFolder(folder));
        Commit(store, 1);
        Commit(store, 2);
        var file = Path.Combine(store.FolderOf(2), "layer-0001.safetensors");
        var bytes = File.ReadAllBytes(file);
        switch (damage)
        {
            case "truncate": File.WriteAllBytes(file, bytes[..^1]); break;
            case "flip": bytes[3] ^= 1; File.WriteAllBytes(file, bytes); break;
            case "remove": File.Delete(file); break;
            default: File.WriteAllText(Path.Combine(store.FolderOf(2), "manifest.json"), "{\"Step\": 2, \"Files\""); break;
        }

        Assert.Equal(1, store.Newest("hash")!.Step);
    }

    [Fact]
    public void Only_the_last_ones_are_kept()
    {
        var store = new SnapshotStore(new RunFolder(folder));
        for (var step = 1; step <= 5; step++)
            Commit(store, step);
        Assert.Equal(
            ["step-000004", "step-000005"],
            Directory.EnumerateDirectories(Path.Combine(folder, "snapshots")).Select(Path.GetFileName).Order()
        );
    }

    private static void Commit(SnapshotStore store, int step)
    {
        var target = store.Begin(step, "writer");
        var bytes = new byte[64];
        bytes[0] = (byte)step;
        File.WriteAllBytes(Path.Combine(target, "layer-0001.safetensors"), bytes);
        store.Commit(
            step,
            target,
            new Dictionary<string, string> { ["layer-0001.safetensors"] = Convert.ToHexStringLower(SHA256.HashData(bytes)) },
            "hash",
            null,
            keep: 2
        );
    }
}
