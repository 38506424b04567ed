using System.Security.Cryptography;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Output;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>A silo process of this test class.</summary>
public sealed class RealSilo : IDisposable
{
    private readonly Workspace workspace = new();
    private readonly SiloProcess process;

    /// <summary>Starts it.</summary>
    public RealSilo()
    {
        Directory.CreateDirectory(ClusterFolder);
        process = SiloProcess.Start("silo-0", ClusterFolder, workspace.Path("silo.log"), 1);
    }

    internal string ClusterFolder => workspace.Path("cluster");

    /// <summary>Where it accepts clients.</summary>
    internal async Task<string> Address()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!process.Exited)
        {
            if (SiloRegistration.ReadAll(ClusterFolder) is [var silo]) return $"{silo.Address}:{silo.GatewayPort}";
            await timer.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        throw new InvalidOperationException(process.LastWords());
    }

    internal void Kill() => process.Kill();

    public void Dispose()
    {
        process.Kill();
        process.Ended.Wait(Patience.Limit);
        process.Dispose();
        workspace.Dispose();
    }
}

/// <summary>Uploads of data sets into a real silo.</summary>
public sealed class DataUploadTests(RealSilo silo) : IClassFixture<RealSilo>
{
    [Fact]
    public async Task A_large_file_goes_on_where_its_upload_was_interrupted()
    {
        using var workspace = new Workspace();
        var bytes = new byte[(5 * DataLocation.LargestChunk / 2) + 17];
        new Random(1).NextBytes(bytes);
        var path = workspace.Path("data.jsonl");
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
        await using var client = await Connect();
        var grain = GrainOf(client, bytes);
        Assert.Equal(new DataLocation(null, 0, Differs: false), await grain.Find("/nowhere/data.jsonl"));
        await grain.Append(0, bytes[..DataLocation.LargestChunk]);
        // A chunk that arrives twice.
        await grain.Append(0, bytes[..DataLocation.LargestChunk]);
        Assert.Equal(new DataLocation(null, DataLocation.LargestChunk, Differs: false), await grain.Find("/nowhere/data.jsonl"));
        await grain.Append(DataLocation.LargestChunk, bytes[DataLocation.LargestChunk..(2 * DataLocation.LargestChunk)]);
        await grain.Append(2 * DataLocation.LargestChunk, bytes[(2 * DataLocation.LargestChunk)..]);
        var target = await grain.Commit();
        Assert.Equal(Path.Combine(silo.ClusterFolder, "uploads", Hash(bytes) + ".jsonl"), target);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(target, TestContext.Current.CancellationToken));
        Assert.Equal(target, await grain.Commit());
        // Where silos see the client's own path, it stays.
        Assert.Equal(path, (await grain.Find(path)).Path);
        Assert.Equal(target, (await grain.Find("/nowhere/data.jsonl")).Path);
    }

    [Fact]
    public async Task What_is_not_what_its_name_says_is_thrown_away()
    {
        await using var client = await Connect();
        byte[] meant = [1, 2, 3], sent = [1, 2, 4];
        var grain = GrainOf(client, meant);
        Assert.Contains(
            "nothing was sent",
            (await Assert.ThrowsAsync<PeftException>(() => grain.Commit())).Message,
            StringComparison.Ordinal
        );
        await grain.Append(0, sent);
        Assert.Contains(
            $"what arrived has sha256 {Hash(sent)}",
            (await Assert.ThrowsAsync<PeftException>(() => grain.Commit())).Message,
            StringComparison.Ordinal
        );
        Assert.Equal(0, (await grain.Find("/nowhere")).Received);
        Assert.Contains(
            "begins at 3",
            (await Assert.ThrowsAsync<PeftException>(() => grain.Append(3, meant))).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "at most",
            (await Assert.ThrowsAsync<PeftException>(() => grain.Append(0, new byte[DataLocation.LargestChunk + 1]))).Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("../../outside")]
    [InlineData("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")]
    public async Task A_name_that_is_no_hash_is_refused(string name)
    {
        await using var client = await Connect();
        var error = await Assert.ThrowsAnyAsync<Exception>(() => client.Grains.GetGrain<IDataUploadGrain>(name).Append(0, [1]));
        Assert.Contains("no sha256", error.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(silo.ClusterFolder, "uploads", name + ".jsonl.partial")));
    }

    private static IDataUploadGrain GrainOf(ClusterClient client, byte[] bytes) => client.Grains.GetGrain<IDataUploadGrain>(Hash(bytes));

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private async Task<ClusterClient> Connect() =>
        await ClusterClient.ToAddress(TestClient.Nowhere, await silo.Address(), TestContext.Current.CancellationToken);
}

/// <summary>A cluster that is gone, and what is not on it.</summary>
public sealed class LostClusterTests
{
    [Fact]
    public async Task Watching_a_cluster_that_is_gone_ends()
    {
        using var silo = new RealSilo();
        var address = await silo.Address();
        await using var client = await ClusterClient.ToAddress(TestClient.Nowhere, address, TestContext.Current.CancellationToken);
        Assert.Equal(ExitCodes.NotFound, (await Assert.ThrowsAsync<ClientException>(() => client.StatusOf("no-such"))).ExitCode);
        Assert.Equal(ExitCodes.NotFound, (await TestClient.Run("stop", "no-such", "--cluster", address)).ExitCode);
        Assert.Equal("[]", (await TestClient.Run("get", "runs", "--cluster", address, "-o", "json")).Output.Trim());
        silo.Kill();
        using var interruption = new Interruption();
        var session = new RunSession(TestClient.Nowhere, interruption) { Patience = TimeSpan.FromSeconds(1) };
        var lost = await Assert.ThrowsAsync<ClientException>(() =>
            session.Watch(client, new IndexedRun("r", "", address, DateTimeOffset.UtcNow))
        );
        Assert.Equal(ExitCodes.NoCluster, lost.ExitCode);
        Assert.Contains($"no silo at {address} has answered", lost.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RunState.Stopped, "stopped")]
    [InlineData(RunState.Completed, "completed")]
    [InlineData(RunState.Running, "failed")]
    public async Task A_local_run_whose_last_silo_is_gone_has_ended_as_its_folder_tells(RunState state, string expected)
    {
        using var workspace = new Workspace();
        var folder = workspace.FinishedRun("r");
        var files = new RunFolder(folder);
        files.WriteStatus(files.ReadStatus()! with { State = state });
        using var silo = new RealSilo();
        await using var client = await ClusterClient.ToAddress(
            TestClient.Nowhere, await silo.Address(), TestContext.Current.CancellationToken);
        silo.Kill();
        using var interruption = new Interruption();
        var (status, word) = await new RunSession(TestClient.Nowhere, interruption).Watch(
            client, new IndexedRun("r", folder, null, DateTimeOffset.UtcNow));
        Assert.Equal(expected, word);
        Assert.Equal(expected, RunSession.WordOf(status.State));
    }
}
