using System.Diagnostics;
using System.Globalization;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>Alerts whose faults take a minute and more; with <c>PEFT_LONG=1</c>.</summary>
public sealed class LongAlertFaultTests
{
    private static readonly string[] Flapping = ["silo-2", "silo-3", "silo-4"];

    [Fact]
    public async Task Silos_that_go_and_come()
    {
        Long();
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        foreach (var name in (string[])["silo-0", "silo-1", .. Flapping]) await cluster.Start(name);
        await watch.Scraped(5);
        var run = cluster.Run("flapping", "lora");
        await run.Reached(3);
        await watch.AssertSilent("PeftRecoveryLoop", "PeftSiloFlapping");

        var (recoveries, flaps) = (false, false);
        while (!recoveries || !flaps)
        {
            foreach (var name in Flapping)
            {
                await cluster.Kill(name);
                await watch.Missed(name);
                await run.MoreSteps(2);
                recoveries |= await watch.IsFiring("PeftRecoveryLoop");
            }

            await Task.WhenAll(Flapping.Select(name => cluster.Start(name)));
            await watch.Scraped(5);
            flaps |= await watch.IsFiring("PeftSiloFlapping");
            recoveries |= await watch.IsFiring("PeftRecoveryLoop");
        }
    }

    [Fact]
    public async Task A_silo_that_is_refused_memory()
    {
        Long();
        const long Spare = 352L << 20;
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        await cluster.Start("silo-0");
        await cluster.Start("silo-1");
        await watch.Scraped(2);
        await watch.Answers("count(peft_silo_out_of_memory_total == 0) == 2");
        using (var process = Process.GetProcessById(cluster.Pid("silo-1")))
            await Run("prlimit", $"--pid={process.Id}", $"--as={process.VirtualMemorySize64 + Spare}");
        (await cluster.Complete("large", "lora", "training.steps=2", "training.global_batch=512", "training.microbatch=512")).Succeeded();
        await cluster.Ended("silo-1");
        await watch.AssertSilent("PeftOutOfMemory");
        await cluster.Start("silo-1");
        await watch.Fires("PeftOutOfMemory");
    }

    [Fact]
    public async Task A_silo_whose_processor_is_taken_away_and_no_snapshot_for_long()
    {
        Long();
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        await cluster.Start("silo-0");
        await cluster.Start("silo-1");
        await watch.Scraped(2);
        var run = cluster.Run("slow", "lora", "snapshots.every=1000000");
        await run.Reached(3);
        await watch.AssertSilent("PeftStraggler", "PeftSnapshotTooOld");
        using (new Throttle(cluster.Pid("silo-1"))) await watch.Fires("PeftStraggler");
        await watch.Fires("PeftSnapshotTooOld");
    }

    [Fact]
    public async Task A_disk_that_is_full()
    {
        Long();
        using var workspace = new Workspace();
        using var disk = new SmallDisk(Path.Combine(workspace.Folder, "disk"));
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        await cluster.Start("silo-0");
        await cluster.Start("silo-1");
        await watch.Scraped(2);
        cluster.Run("full", "lora", $"output={disk.Folder}");
        await watch.Answers("peft_step > 3");
        await watch.AssertSilent("PeftDiskAlmostFull", "PeftStorageFailures");
        disk.Fill();
        await watch.Fires("PeftStorageFailures");
        await watch.Fires("PeftDiskAlmostFull");

        var step = disk.Lines("full");
        disk.Clear();
        await Patience.Until(() => disk.Lines("full") > step);
    }

    [Fact]
    public async Task Another_program_that_rewrites_a_file_of_the_run()
    {
        Long();
        using var cluster = new SiloCluster();
        using var watch = await AlertWatch.Start(cluster.Folder);
        await cluster.Start("silo-0");
        await cluster.Start("silo-1");
        await watch.Scraped(2);
        var run = cluster.Run("rewritten", "lora");
        await run.Reached(6);
        await watch.AssertSilent("PeftWorkLost");
        var samples = new RunFolder(run.Folder).Samples;
        await File.WriteAllLinesAsync(samples + ".new", (await File.ReadAllLinesAsync(samples)).Where(static (_, i) => i != 2));
        File.Move(samples + ".new", samples, overwrite: true);
        await cluster.Kill("silo-1");
        await watch.Fires("PeftWorkLost");
    }

    private static void Long() => Assert.SkipUnless(Environment.GetEnvironmentVariable("PEFT_LONG") == "1", "PEFT_LONG=1 makes this fault");

    private static async Task Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync(Patience.Token);
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>Lets a process run for a quarter of the time, by real signals, as a processor shared with others does.</summary>
    private sealed class Throttle(int pid) : IDisposable
    {
        private readonly Process shell = Process.Start(
            "/bin/sh",
            [
                "-c", "trap 'kill -CONT $1; exit' TERM; while kill -STOP $1 2>/dev/null; do sleep 0.09; kill -CONT $1; sleep 0.03; done",
                "sh", pid.ToString(CultureInfo.InvariantCulture),
            ]);

        public void Dispose()
        {
            if (!shell.HasExited)
            {
                using var kill = Process.Start("kill", ["-TERM", shell.Id.ToString(CultureInfo.InvariantCulture)]);
                kill.WaitForExit();
                shell.WaitForExit();
            }

            shell.Dispose();
        }
    }

    /// <summary>A disk of 24 MiB; skips the test where none may be mounted.</summary>
    private sealed class SmallDisk : IDisposable
    {
        internal SmallDisk(string folder)
        {
            Folder = folder;
            Directory.CreateDirectory(folder);
            using var mount = Process.Start(
                new ProcessStartInfo("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder]) { RedirectStandardError = true })!;
            mount.WaitForExit();
            Assert.SkipUnless(mount.ExitCode == 0, "needs the right to mount a disk");
        }

        internal string Folder { get; }

        private string Filling => Path.Combine(Folder, "filling");

        /// <summary>Writes until there is no room.</summary>
        internal void Fill()
        {
            using var file = new FileStream(Filling, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            try
            {
                while (true) file.Write(new byte[4096]);
            }
            catch (IOException)
            {
                // That is it.
            }
        }

        internal void Clear() => File.Delete(Filling);

        /// <summary>Committed steps of a run on it.</summary>
        internal int Lines(string run) => File.ReadAllLines(new RunFolder(Path.Combine(Folder, run)).Metrics).Length;

        public void Dispose()
        {
            using var unmount = Process.Start("umount", ["--lazy", Folder]);
            unmount.WaitForExit();
        }
    }
}
