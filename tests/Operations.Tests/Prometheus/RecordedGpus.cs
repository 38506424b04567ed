using System.Globalization;
using System.Net;
using System.Text;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Prometheus;

/// <summary>
/// Stands in for NVIDIA's DCGM exporter, which needs a GPU: answers with <c>dcgm-exporter.txt</c>, metrics by the names and labels that the
/// exporter documents, with values of no machine.
/// </summary>
internal sealed class RecordedGpus : IDisposable
{
    private readonly HttpListener listener = new();

    internal RecordedGpus()
    {
        Address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{PrometheusServer.FreePort()}");
        listener.Prefixes.Add($"http://{Address}/");
        listener.Start();
        _ = Answer();
    }

    /// <summary>Host and port.</summary>
    internal string Address { get; }

    public void Dispose() => listener.Close();

    private async Task Answer()
    {
        var text = await File.ReadAllBytesAsync(
            Path.Combine(Repository.Root, "tests", "Operations.Tests", "Prometheus", "dcgm-exporter.txt"));
        while (listener.IsListening)
        {
            try
            {
                var context = await listener.GetContextAsync();
                context.Response.ContentType = "text/plain; version=0.0.4";
                context.Response.ContentEncoding = Encoding.UTF8;
                await context.Response.OutputStream.WriteAsync(text);
                context.Response.Close();
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                // The test has ended, or Prometheus hung up.
            }
        }
    }
}
