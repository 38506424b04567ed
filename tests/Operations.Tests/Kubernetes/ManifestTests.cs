using System.Diagnostics;
using System.Text.Json;
using k8s.Models;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>What can be known of manifests without a cluster.</summary>
public sealed class ManifestTests
{
    /// <summary>Every overlay alone, and with each component.</summary>
    [Fact]
    public async Task Each_overlay_renders_alone_and_with_each_component_and_holds_only_properties_that_exist()
    {
        Assert.Equal(["gpu-infiniband", "local", "spot"], Kustomize.Overlays);
        foreach (var (overlay, component) in Kustomize.All)
            Assert.NotEmpty(Kustomize.Objects(await Kustomize.Text(overlay, component)));
    }

    [Fact]
    public async Task A_property_that_does_not_exist_is_seen()
    {
        var text = await Kustomize.Text("local");
        Assert.ThrowsAny<YamlDotNet.Core.YamlException>(
            () => Kustomize.Objects(text.Replace("minReadySeconds:", "minReadySecond:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_namespace_with_restricted_pod_security_accepts_all_but_the_component_that_says_so()
    {
        using var workspace = new Workspace();
        var files = new List<string>();
        foreach (var (overlay, component) in Kustomize.All)
            files.Add(workspace.Write($"{overlay}+{component}.yaml", await Kustomize.Text(overlay, component)));
        // A check that finds nothing in these would find nothing anywhere.
        var spoilt = (await Kustomize.Text("local"))
            .Replace("runAsNonRoot: true", "runAsNonRoot: false", StringComparison.Ordinal)
            .Replace("readOnlyRootFilesystem: true", "privileged: true", StringComparison.Ordinal)
            .Replace("replicas: 2", "replicas: two", StringComparison.Ordinal)
            .Replace("- ALL", "- CHOWN", StringComparison.Ordinal);
        var spoiltFile = workspace.Write("spoilt.yaml", spoilt);
        var (found, types) = await Check([.. files, spoiltFile]);
        Assert.True(types > files.Count * 12, $"{types} objects of known types");
        var wrong = found.Where(finding => finding.File == spoiltFile).Select(static finding => finding.Rule).ToHashSet();
        Assert.Superset(new HashSet<string> { "types", "PSS103", "PSS203", "PSS206" }, wrong);
        var others = found.Where(finding => finding.File != spoiltFile).ToArray();
        var locked = others.Where(static finding => finding.File.Contains("rdma-ipc-lock", StringComparison.Ordinal)).ToArray();
        Assert.Empty(others.Except(locked));
        Assert.All(locked, static finding => Assert.Contains(finding.Rule, (string[])["PSS104", "PSS206"]));
        foreach (var (overlay, component) in Kustomize.All)
        {
            var objects = Kustomize.Objects(await Kustomize.Text(overlay, component));
            var level = objects.OfType<V1Namespace>().Single().Metadata.Labels["pod-security.kubernetes.io/enforce"];
            Assert.Equal(component == "rdma-ipc-lock" ? "privileged" : "restricted", level);
        }
    }

    /// <summary>A line of the checker.</summary>
    private sealed record Finding(string File, string Object, string Rule, string Message);

    private static async Task<(Finding[] Found, int Types)> Check(IEnumerable<string> files)
    {
        var folder = Tool.RequireNpm("@monokle/validation");
        var start = new ProcessStartInfo(Tool.Require("node", "nodejs"), ["check-manifests.mjs", .. files])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var lines = (await process.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        var types = JsonDocument.Parse(lines[^1]).RootElement.GetProperty("checked").GetInt32();
        return ([.. lines[..^1].Select(static line => JsonSerializer.Deserialize<Finding>(line, JsonSerializerOptions.Web)!)], types);
    }
}
