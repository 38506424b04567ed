using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Client.Runs;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;

namespace Peft.Orleans.Client.Checks;

/// <summary>A finding of <c>doctor</c>.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="State"><c>ok</c>, <c>note</c> (works, but) or <c>bad</c>.</param>
/// <param name="Found">What is there.</param>
/// <param name="Remedy">What to do; empty when ok.</param>
internal sealed record Finding(string Name, string State, string Found, string Remedy = "");

/// <summary>Looks at this machine as a place for silos.</summary>
internal static class Doctor
{
    private const long Gibibyte = 1L << 30;

    /// <summary>All findings.</summary>
    public static IReadOnlyList<Finding> Examine() =>
        [
            Runtime(),
            OperatingSystem(),
            Cores(),
            Products(),
            Memory(),
            Disk(),
            Silo(),
            LibTorch(),
            BlockKernelFinding.Ask(),
            Ports(),
            Index(),
        ];

    private static Finding Runtime() => Environment.Version.Major >= 10
        ? new("runtime", "ok", RuntimeInformation.FrameworkDescription)
        : new("runtime", "bad", RuntimeInformation.FrameworkDescription, "install .NET 10");

    private static Finding OperatingSystem() =>
        RuntimeInformation.RuntimeIdentifier.Contains("linux", StringComparison.Ordinal)
        && RuntimeInformation.OSArchitecture == Architecture.X64
            ? new("system", "ok", RuntimeInformation.OSDescription)
            : new(
                "system",
                "bad",
                $"{RuntimeInformation.OSDescription} {RuntimeInformation.OSArchitecture}",
                "silos need Linux on x86-64"
            );

    private static Finding Cores() =>
        new(
            "cores",
            "ok",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Environment.ProcessorCount}; --local N gives each silo cores / N threads unless compute.threads_per_silo says otherwise"
            )
        );

    private static Finding Products()
    {
        var remedy = Processor.MultipliesFloat32Faster ? "set compute.products: float32 where memory allows"
            : Processor.Products(WeightType.BFloat16) == ProductType.Float32 ? "nothing: bf16 models train at float32's speed"
            : "";
        return new(
            "products",
            remedy.Length == 0 ? "ok" : "note",
            $"compute.products: auto takes {Processor.BFloat16Path} for bf16 weights",
            remedy
        );
    }

    private static Finding Memory()
    {
        var available = AvailableMemory();
        var text = string.Create(CultureInfo.InvariantCulture, $"{available / (double)Gibibyte:0.0} GiB available");
        return available >= Gibibyte
            ? new(
                "memory",
                available >= 4 * Gibibyte ? "ok" : "note",
                text,
                available >= 4 * Gibibyte ? "" : "start-run --dry-run tells what a run needs"
            )
            : new("memory", "bad", text, "a silo needs about 0.4 GiB before it holds a layer: free some memory");
    }

    private static Finding Disk()
    {
        var here = new DriveInfo(Environment.CurrentDirectory);
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{here.AvailableFreeSpace / (double)Gibibyte:0.0} GiB free where you are"
        );
        return here.AvailableFreeSpace >= Gibibyte
            ? new("disk", "ok", text)
            : new("disk", "bad", text, "snapshots and exports need room: set output to another disk");
    }

    private static Finding Silo() => SiloExecutable.TryLocate(out var tried) is { } found
        ? new("peft-silo", "ok", string.Join(' ', (string[])[found.Program, .. found.Arguments]))
        : new("peft-silo", "bad", "not found at " + string.Join(", ", tried), "build it with: dotnet build src/Silo, or set PEFT_SILO");

    private static Finding LibTorch()
    {
        if (SiloExecutable.TryLocate(out _) is not { } silo)
            return new("libtorch", "bad", "no silo to look beside", "see peft-silo");
        var folder = Path.GetDirectoryName(
            silo.Arguments.LastOrDefault(static argument => argument.EndsWith(".dll", StringComparison.Ordinal)) ?? silo.Program
        )!;
        var libraries = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "libtorch*.so*", SearchOption.AllDirectories).ToArray()
            : [];
        var backend = libraries.Any(static path => Path.GetFileName(path).StartsWith("libtorch_cuda", StringComparison.Ordinal))
            ? "cuda"
            : "cpu";
        return libraries.Any(static path => Path.GetFileName(path).StartsWith("libtorch_cpu", StringComparison.Ordinal))
            ? new("libtorch", "ok", $"{backend}, {Path.GetDirectoryName(libraries[0])}")
            : new("libtorch", "bad", $"libtorch_cpu.so is not below {folder}", "build the silo again: dotnet build src/Silo");
    }

    private static Finding Ports()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return new("ports", "ok", "loopback ports can be bound");
        }
        catch (SocketException error)
        {
            return new("ports", "bad", error.Message, "silos of a local cluster talk over 127.0.0.1: allow it to bind ports");
        }
    }

    private static Finding Index()
    {
        try
        {
            var index = RunIndex.OfUser();
            index.RequireWritable();
            return new("run index", "ok", $"{index.All().Count} runs");
        }
        catch (ClientException error)
        {
            return new("run index", "bad", error.Message, "set PEFT_HOME to a folder you can write");
        }
    }

    private static long AvailableMemory()
    {
        // MemAvailable counts what caches would give back, which the runtime's own figure does not.
        var line = File.Exists("/proc/meminfo")
            ? File.ReadLines("/proc/meminfo").FirstOrDefault(static text => text.StartsWith("MemAvailable:", StringComparison.Ordinal))
            : null;
        return line is null
            ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes
            : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
