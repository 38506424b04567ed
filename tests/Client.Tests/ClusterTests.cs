using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Tests;
using Xunit;

namespace Peft.Orleans.Client.Tests;

/// <summary>Addresses, and the life of a silo process.</summary>
public sealed class ClusterTests
{
    [Fact]
    public async Task Addresses_of_gateways()
    {
        Assert.Equal(
            [new IPEndPoint(IPAddress.Loopback, 31000), new IPEndPoint(IPAddress.Parse("10.0.0.2"), 30000)],
            await Gateways.Parse("127.0.0.1:31000, 10.0.0.2")
        );
        Assert.Equal("gwy.tcp://127.0.0.1:31000/0", Gateways.Uri(new IPEndPoint(IPAddress.Loopback, 31000)).ToString());
        Assert.Contains(
            "expected HOST",
            (await Assert.ThrowsAsync<ClientException>(() => Gateways.Parse("host:port"))).Message,
            StringComparison.Ordinal
        );
        await Assert.ThrowsAsync<ClientException>(() => Gateways.Parse(" , "));
    }

    [Fact]
    public async Task A_gateway_that_accepts_but_does_not_answer_is_left_for_the_next()
    {
        var listeners = Enumerable.Range(0, 3).Select(static _ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        var uris = listeners.Select(static listener => Gateways.Uri((IPEndPoint)listener.LocalEndpoint)).ToArray();
        var gateways = new AddressGateways([.. listeners.Select(static listener => (IPEndPoint)listener.LocalEndpoint)]);
        Assert.Equal(uris, await gateways.GetGateways());

        // All accept: the first doubt leaves nobody out, each further one is answered with the next alone, and the first comes again after
        // the last.
        var seen = new List<IList<Uri>>();
        for (var doubt = 0; doubt < 5; doubt++)
        {
            gateways.Doubt();
            seen.Add(await gateways.GetGateways());
        }

        Assert.Equal([uris, [uris[0]], [uris[1]], [uris[2]], [uris[0]]], seen);

        // Answers came: who gave them is kept, and a later doubt looks at all again.
        gateways.Trust();
        Assert.Equal([uris[0]], await gateways.GetGateways());
        listeners[0].Stop();
        gateways.Doubt();
        Assert.Equal(uris[1..], await gateways.GetGateways());
        foreach (var listener in listeners) listener.Dispose();
    }

    [Fact]
    public async Task A_log_that_an_error_names_is_left()
    {
        using var workspace = new Workspace();
        Environment.SetEnvironmentVariable("PEFT_SILO", workspace.Script("peft-silo", "#!/bin/sh\necho cannot do it >&2\nexit 3\n"));
        try
        {
            var result = await TestClient.Run("generate", "--model", workspace.Model(), "--prompt-ids", "1,2");
            Assert.Equal(ExitCodes.NoCluster, result.ExitCode);
            var log = Regex.Match(result.Errors, @"\(whole log: (.+)\)").Groups[1].Value;
            Assert.Equal("cannot do it\n", await File.ReadAllTextAsync(log, TestContext.Current.CancellationToken));
            var folder = Path.GetDirectoryName(Path.GetDirectoryName(log)!)!;
            Assert.Equal([Path.GetDirectoryName(log)], Directory.EnumerateFileSystemEntries(folder));
            Directory.Delete(folder, recursive: true);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", null);
        }
    }

    [Fact]
    public async Task A_silo_lives_as_long_as_its_standard_input_is_open()
    {
        using var workspace = new Workspace();
        var script = workspace.Script("peft-silo", "#!/bin/sh\necho \"started $*\"\ncat >/dev/null\necho ended\n");
        Environment.SetEnvironmentVariable("PEFT_SILO", script);
        try
        {
            using var silo = SiloProcess.Start("silo-0", workspace.Path("cluster"), workspace.Path("silo.log"), 3);
            Assert.False(silo.Exited);
            silo.AskToEnd();
            await silo.Ended.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
            Assert.Equal(
                $"  started --cluster-folder {workspace.Path("cluster")} --name silo-0 --threads 3 --exit-with-parent\n  ended\n(whole "
                    + $"log: {workspace.Path("silo.log")})",
                silo.LastWords()
            );
        }
        finally
        {
            Environment.SetEnvironmentVariable("PEFT_SILO", null);
        }
    }
}
