using System.Collections.Concurrent;
using System.Diagnostics;
using k8s;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>The manifests of <c>k8s/</c>, rendered by <c>kubectl kustomize</c> as <c>kubectl apply -k</c> would.</summary>
internal static class Kustomize
{
    private static readonly Dictionary<string, Type> Custom = new()
    {
        ["monitoring.coreos.com/v1/PodMonitor"] = typeof(PodMonitor),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        ["scheduling.volcano.sh/v1beta1/PodGroup"] = typeof(PodGroup),
        ["kueue.x-k8s.io/v1beta1/LocalQueue"] = typeof(LocalQueue),
    };

    /// <summary>All overlays.</summary>
    internal static string[] Overlays { get; } = Folders("overlays");

    /// <summary>All opt-in components.</summary>
    internal static string[] Components { get; } = Folders("components");

    /// <summary>Each overlay as it is, and with each component.</summary>
    internal static IEnumerable<(string Overlay, string? Component)> All =>
        from overlay in Overlays from component in (string?[])[null, .. Components] select (overlay, component);

    private static readonly ConcurrentDictionary<(string, string?), Lazy<Task<string>>> Rendered = new();

    /// <summary>What would be applied, as text.</summary>
    internal static Task<string> Text(string overlay, string? component = null) =>
        Rendered.GetOrAdd((overlay, component), static key => new(() => Render(key.Item1, key.Item2))).Value;

    private static async Task<string> Render(string overlay, string? component)
    {
        var kubectl = Tool.Require("kubectl", "google-cloud-cli-kubectl, or kubectl of pkgs.k8s.io");
        using var workspace = new Workspace();
        var folder = Path.Combine(Repository.Root, "k8s");
        string Relative(string kind, string name) => Path.GetRelativePath(workspace.Folder, Path.Combine(folder, kind, name));
        workspace.Write("kustomization.yaml", $"""
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            resources: [{Relative("overlays", overlay)}]
            {(component is null ? "" : $"components: [{Relative("components", component)}]")}
            """);
        // Plain for the overlay itself: nothing that a user's command would not allow.
        var start = component is null
            ? new ProcessStartInfo(kubectl, ["kustomize", Path.Combine(folder, "overlays", overlay)])
            : new ProcessStartInfo(kubectl, ["kustomize", workspace.Folder]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{overlay} with {component}: {await errors}");
        Assert.DoesNotContain("deprecated", await errors, StringComparison.OrdinalIgnoreCase);
        return text;
    }

    /// <summary>The same as objects; an unknown property is an error.</summary>
    internal static List<object> Objects(string text) => KubernetesYaml.LoadAllFromString(text, Custom, strict: true);

    private static string[] Folders(string kind) =>
        [.. Directory.EnumerateDirectories(Path.Combine(Repository.Root, "k8s", kind)).Select(static path => Path.GetFileName(path)!)
            .Order(StringComparer.Ordinal)];
}
