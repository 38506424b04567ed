using System.Text.Json;
using Orleans.Runtime;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using Peft.Orleans.Core.Security;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>Who may do what, with what the product's client sends and with what another could.</summary>
[Collection(nameof(TlsCluster))]
public sealed class RolesTests(TlsCluster cluster)
{
    [Theory]
    [InlineData("peft-operator", null, true)]
    [InlineData("peft-read-only", null, true)]
    [InlineData(null, TlsCluster.ReadOnlyToken, true)]
    [InlineData(null, null, false)]
    [InlineData(null, "guessed", false)]
    public async Task Whoever_has_a_role_may_look(string? unit, string? token, bool may)
    {
        string[] given = token is null ? [] : ["--token-file", cluster.Workspace.Write(token + ".token", token + "\n")];
        var outcome = await cluster.Ask(cluster.Client(unit), ["silos", "-o", "json", .. given]);
        if (may)
        {
            using var silos = JsonDocument.Parse(outcome.Succeeded().Output);
            Assert.Equal(2, silos.RootElement.GetArrayLength());
        }
        else
        {
            Assert.Equal(2, outcome.ExitCode);
            Assert.Contains("is for role read-only: " + (token is null ? "the certificate's subject" : "the token"),
                outcome.Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_read_only_client_looks_and_does_nothing_else()
    {
        await using var client = await CertifiedClient.Connect(cluster.Gateway, cluster.Client("peft-read-only"));
        Assert.Equal(2, (await client.Grains.GetGrain<IClusterGrain>(0).Silos()).Count);
        await Refused("is for role operator; you have role read-only", () => client.Grains.GetGrain<IRunGrain>("any").Stop(false));
        await Refused("is for role operator", () => client.Grains.GetGrain<IExportGrain>("any").Export(
            new ExportRequest("/etc", null, "/tmp/out", "adapter", null, null)));
        await RefusesWhatIsForSilos(client);
    }

    [Fact]
    public async Task Not_even_an_operator_reaches_what_silos_say_to_each_other()
    {
        await using var client = await CertifiedClient.Connect(cluster.Gateway, cluster.Client("peft-operator"));
        await RefusesWhatIsForSilos(client);
    }

    [Fact]
    public async Task Nobody_makes_an_operator_of_himself()
    {
        var files = cluster.Client("peft-read-only");
        var stolen = cluster.Client("peft-operator");
        // The operator's certificate is no secret, its key is: a proof over the one, signed by another's key, proves nothing.
        var mixed = cluster.Files("mixed", (File.ReadAllText(stolen.Certificate), File.ReadAllText(stolen.Key)));
        foreach (var forged in (string[])[Forged(files, stolen), "AQ==", "", new string('A', 1 << 20)])
        {
            await using var client = await CertifiedClient.Connect(cluster.Gateway, files, new Sender(forged));
            await Refused("is for role operator: a proof", () => client.Grains.GetGrain<IRunGrain>("any").Stop(false));
        }

        await using var silent = await CertifiedClient.Connect(cluster.Gateway, mixed, new Sender(null));
        await Refused("no proof of who calls", () => silent.Grains.GetGrain<IRunGrain>("any").Stop(false));
    }

    /// <summary>A read-only client's proof whose certificate was exchanged for an operator's.</summary>
    private static string Forged(CertificateFolder own, CertificateFolder other)
    {
        var text = Convert.FromBase64String(Proof(own));
        var mine = CertifiedClient.Peers(own).Credentials.Current.Certificate.RawData;
        var theirs = CertifiedClient.Peers(other).Credentials.Current.Certificate.RawData;
        var at = text.AsSpan().IndexOf(mine);
        Assert.True(at > 0);
        return Convert.ToBase64String(
            [.. text[..(at - sizeof(int))], .. BitConverter.GetBytes(theirs.Length), .. theirs, .. text[(at + mine.Length)..]]);
    }

    private static string Proof(CertificateFolder files)
    {
        var proof = new CallProof(CertifiedClient.Peers(files).Credentials, null, TimeProvider.System);
        var seen = new Capture();
        proof.Invoke(seen).GetAwaiter().GetResult();
        return seen.Proof!;
    }

    private static async Task RefusesWhatIsForSilos(CertifiedClient client)
    {
        await Refused("is for silos only", () => client.Grains.GetGrain<IRunGrain>("any").PeerUnreachable("silo-0", "silo-1"));
        await Refused("is for silos only", () => client.Grains.GetGrain<IRunGrain>("any").MembershipChanged());
        var status = new RunStatus { RunId = "x", State = RunState.Failed };
        await Refused("is for silos only", () => client.Grains.GetGrain<IRunCatalogGrain>(0).Report(status));
        await Refused("is for silos only", () => client.Grains.GetGrain<ILayerShardGrain>("run/0/0@silo-0").Loss(null!, 0, null));
        await Refused("is for silos only", () => client.Grains.GetGrain<IManagementGrain>(0).ForceGarbageCollection([]));
    }

    private static async Task Refused(string said, Func<Task> call)
    {
        var error = await Assert.ThrowsAsync<NotAllowedException>(call);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Sends what it likes.</summary>
    private sealed class Sender(string? proof) : IOutgoingGrainCallFilter
    {
        public async Task Invoke(IOutgoingGrainCallContext context)
        {
            if (proof is not null) RequestContext.Set("peft.proof", proof);
            await context.Invoke();
        }
    }

    /// <summary>Sees what a proof puts into a call.</summary>
    private sealed class Capture : IOutgoingGrainCallContext
    {
        internal string? Proof { get; private set; }

        public global::Orleans.Serialization.Invocation.IInvokable Request => throw new NotSupportedException();

        public object Grain => throw new NotSupportedException();

        public System.Reflection.MethodInfo InterfaceMethod => throw new NotSupportedException();

        public string InterfaceName => "";

        public string MethodName => "";

        public object? Result { get; set; }

        public global::Orleans.Serialization.Invocation.Response? Response { get; set; }

        public GrainId? SourceId => null;

        public GrainId TargetId { get; } = GrainId.Create("run", "any");

        public GrainInterfaceType InterfaceType => default;

        public IGrainContext? SourceContext => null;

        public Task Invoke()
        {
            Proof = RequestContext.Get("peft.proof") as string;
            return Task.CompletedTask;
        }
    }
}
