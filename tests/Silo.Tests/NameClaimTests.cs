using System.Diagnostics;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Silo.Tests;

public sealed class NameClaimTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-names-").FullName;

    [Fact]
    public void Silos_without_a_name_get_one_each_also_before_any_has_registered()
    {
        using var first = NameClaim.Take(folder, null);
        using var second = NameClaim.Take(folder, null);
        Assert.Equal(["silo-0", "silo-1"], new[] { first.Name, second.Name });
    }

    [Fact]
    public void The_name_of_a_living_silo_is_refused_with_its_address()
    {
        using var living = NameClaim.Take(folder, "silo-0");
        Assert.Contains(
            "one that is just starting",
            Assert.Throws<PeftException>(() => NameClaim.Take(folder, "silo-0")).Message,
            StringComparison.Ordinal);
        new SiloRegistration("silo-0", 1234, "10.0.0.7", 11111, 30000, "").Write(folder);
        Assert.Contains(
            "process 1234 at 10.0.0.7:11111",
            Assert.Throws<PeftException>(() => NameClaim.Take(folder, "silo-0")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_name_of_a_killed_one_is_free_and_its_registration_gone()
    {
        new SiloRegistration("silo-0", 1234, "10.0.0.7", 11111, 30000, "").Write(folder);
        // util-linux's flock takes the same lock; the program it becomes holds it until it dies.
        var path = Path.Combine(folder, "silos", "silo-0.lock");
        using var holder = Process.Start(
            new ProcessStartInfo("flock", ["--no-fork", path, "sh", "-c", "echo held; exec sleep 600"]) { RedirectStandardOutput = true })!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync(Patience.Token));
        Assert.Throws<PeftException>(() => NameClaim.Take(folder, "silo-0"));
        holder.Kill();
        await holder.WaitForExitAsync(Patience.Token);
        using var next = NameClaim.Take(folder, "silo-0");
        Assert.Empty(SiloRegistration.ReadAll(folder));
        // A name that somebody had is not given to one who asks for any.
        new SiloRegistration("silo-0", 1234, "10.0.0.7", 11111, 30000, "").Write(folder);
        next.Dispose();
        using var other = NameClaim.Take(folder, null);
        Assert.Equal("silo-1", other.Name);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
