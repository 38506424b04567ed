using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Protocol;
using Peft.Orleans.Core.Security;
using Peft.Orleans.Grains.DataPlane;
using Peft.Orleans.Grains.Figures;
using Peft.Orleans.Kernels.Torch;
using static TorchSharp.torch;

namespace Peft.Orleans.Benchmarks;

/// <summary>
/// The data plane with certificates against the plain one, over loopback: tensors of one size from one transport to another, in pairs of
/// blocks whose order alternates. Sender and receiver share the processors that the process was given (<c>taskset -c 0,1</c>: a core each).
/// </summary>
internal static class SecuredPlane
{
    private const string RunId = "benchmark";

    internal static async Task Run(BenchmarkOptions options)
    {
        TorchRuntime.Initialize(options.Threads);
        var megabytes = options.Number("megabytes", 64);
        var each = options.Number("tensors", 16);
        var rounds = options.Number("rounds", 15);
        var folder = Directory.CreateTempSubdirectory("peft-plane").FullName;
        var peers = new PeerCheck(new TlsCredentials(Certify(folder), TimeProvider.System));
        await using var plain = new Plane(Channels.Plain);
        await using var secured = new Plane(new Channels(peers));
        using var tensor = rand(megabytes * 262_144L);
        var pairs = new List<(double Secured, double Plain)>();
        for (var round = 0; round < rounds + 2; round++)
        {
            var (first, second) = round % 2 == 0 ? (secured, plain) : (plain, secured);
            var one = await first.Rate(tensor, each);
            var other = await second.Rate(tensor, each);
            // The first two warm up what is compiled and pooled.
            if (round >= 2) pairs.Add(round % 2 == 0 ? (one, other) : (other, one));
        }

        Directory.Delete(folder, recursive: true);
        double[] securedRates = [.. pairs.Select(static pair => pair.Secured).Order()];
        double[] plainRates = [.. pairs.Select(static pair => pair.Plain).Order()];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{each} × {megabytes} MiB, {Environment.ProcessorCount} processors: plain {PairedRatio.MedianOf(plainRates):F0} MB/s, "
            + $"with certificates {PairedRatio.MedianOf(securedRates):F0} MB/s; with / plain {PairedRatio.Of(pairs)}"));
    }

    private static TlsFiles Certify(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=silo", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(TlsFiles.DefaultSiloName);
        request.CertificateExtensions.Add(names.Build());
        using var own = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var files = new TlsFiles(
            Path.Combine(folder, "tls.crt"), Path.Combine(folder, "tls.key"), Path.Combine(folder, "ca.crt"), TlsFiles.DefaultSiloName);
        File.WriteAllText(files.Certificate, own.ExportCertificatePem());
        File.WriteAllText(files.Authorities, own.ExportCertificatePem());
        File.WriteAllText(files.Key, key.ExportPkcs8PrivateKeyPem());
        return files;
    }

    /// <summary>A sender and a receiver.</summary>
    private sealed class Plane : IAsyncDisposable
    {
        private readonly Term term = new(1, Guid.NewGuid());
        private readonly FigureBoard board = new("both", TimeProvider.System);
        private readonly TcpTensorTransport sender;
        private readonly TcpTensorTransport receiver;
        private readonly PlannedSilo target;

        internal Plane(Channels channels)
        {
            var figures = new DataPlaneInstruments(board.Silo);
            sender = new TcpTensorTransport(new TcpTransportOptions(), channels, figures, NullLogger<TcpTensorTransport>.Instance);
            receiver = new TcpTensorTransport(new TcpTransportOptions(), channels, figures, NullLogger<TcpTensorTransport>.Instance);
            target = new PlannedSilo("receiver", "1", receiver.Endpoint);
            sender.Fence(RunId, term);
            receiver.Fence(RunId, term);
        }

        /// <summary>Megabytes a second.</summary>
        internal async Task<double> Rate(Tensor tensor, int count)
        {
            var begun = Stopwatch.GetTimestamp();
            for (var i = 0; i < count; i++)
            {
                var reference = await sender.Send(RunId, term, target, tensor.alias(), CancellationToken.None);
                using var arrived = await receiver.Receive(RunId, term, reference, CancellationToken.None);
            }

            return tensor.NumberOfElements * 4.0 * count / 1e6 / Stopwatch.GetElapsedTime(begun).TotalSeconds;
        }

        public async ValueTask DisposeAsync()
        {
            await sender.DisposeAsync();
            await receiver.DisposeAsync();
            board.Dispose();
        }
    }
}
