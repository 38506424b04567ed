using k8s;
using k8s.Models;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

/// <summary>What objects of the manifests say of each other.</summary>
public sealed class ObjectsTests
{
    [Fact]
    public Task Selectors_match_the_labels_of_pods() => ForAll(static (objects, pods) =>
    {
        foreach (var set in objects.OfType<V1StatefulSet>())
        {
            AssertSelects(set.Spec.Selector.MatchLabels, set.Spec.Template.Metadata.Labels);
            Assert.Contains(objects.OfType<V1Service>(), service => service.Metadata.Name == set.Spec.ServiceName);
        }

        foreach (var deployment in objects.OfType<V1Deployment>())
            AssertSelects(deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Metadata.Labels);
        var selectors = objects.OfType<V1PodDisruptionBudget>().Select(static budget => budget.Spec.Selector.MatchLabels)
            .Concat(objects.OfType<V1Service>().Select(static service => service.Spec.Selector))
            .Concat(objects.OfType<PodMonitor>().Select(static monitor => monitor.Spec.Selector.MatchLabels));
        foreach (var selector in selectors) Assert.Contains(pods, pod => Matches(selector, pod.Metadata.Labels));
        // Every silo is in a budget.
        foreach (var silo in Silos(pods))
        {
            Assert.Single(
                objects.OfType<V1PodDisruptionBudget>(), budget => Matches(budget.Spec.Selector.MatchLabels, silo.Metadata.Labels));
        }
    });

    [Fact]
    public Task Named_ports_exist() => ForAll(static (objects, pods) =>
    {
        foreach (var service in objects.OfType<V1Service>())
        {
            foreach (var pod in pods.Where(pod => Matches(service.Spec.Selector, pod.Metadata.Labels)))
                Assert.All(service.Spec.Ports, port => Assert.Contains(port.TargetPort.Value, PortNames(pod)));
        }

        foreach (var monitor in objects.OfType<PodMonitor>())
        {
            foreach (var pod in pods.Where(pod => Matches(monitor.Spec.Selector.MatchLabels, pod.Metadata.Labels)))
                Assert.All(monitor.Spec.PodMetricsEndpoints, endpoint => Assert.Contains(endpoint.Port, PortNames(pod)));
        }

        foreach (var policy in objects.OfType<V1NetworkPolicy>().Where(static policy => policy.Spec.Ingress is not null))
        {
            var selected = pods.Where(pod => Matches(policy.Spec.PodSelector.MatchLabels, pod.Metadata.Labels)).ToArray();
            var names = policy.Spec.Ingress.SelectMany(static rule => rule.Ports).Select(static port => port.Port.Value);
            foreach (var pod in selected) Assert.All(names, name => Assert.Contains(name, PortNames(pod)));
        }

        foreach (var probe in pods.SelectMany(static pod => pod.Spec.Containers.SelectMany(
            container => Probes(container).Select(probe => (probe.HttpGet, pod)))).Where(static probe => probe.HttpGet is not null))
            Assert.Contains(probe.HttpGet.Port.Value, PortNames(probe.pod));
    });

    [Fact]
    public Task Silos_have_time_to_leave_and_are_asked_three_questions() => ForAll(static (objects, pods) =>
    {
        var settings = Settings(objects);
        var leave = ClusterTimes.Read(name => settings.Data.TryGetValue(name, out var value) ? value : null);
        foreach (var silo in Silos(pods))
        {
            Assert.True(leave.Leave + leave.Shutdown <= TimeSpan.FromSeconds(120));
            Assert.True(silo.Spec.TerminationGracePeriodSeconds >= 150);
            var container = silo.Spec.Containers.Single();
            Assert.Equal(
                ["/health/startup", "/health/ready", "/health/live"],
                Probes(container).Select(static probe => probe.HttpGet.Path));
            // A step that is throttled holds up every silo.
            Assert.DoesNotContain("cpu", container.Resources.Limits.Keys);
            Assert.Contains("memory", container.Resources.Limits.Keys);
        }
    });

    [Fact]
    public Task Silos_are_told_their_name_address_and_ports() => ForAll(static (objects, pods) =>
    {
        var settings = Settings(objects);
        var page = Repository.Page("silo.md");
        foreach (var variable in settings.Data.Keys.Where(static key => key.StartsWith("PEFT_SILO_", StringComparison.Ordinal)))
            Assert.Contains($"`{variable}`", page, StringComparison.Ordinal);
        foreach (var silo in Silos(pods))
        {
            var container = silo.Spec.Containers.Single();
            Assert.Equal(settings.Metadata.Name, container.EnvFrom.Single().ConfigMapRef.Name);
            var variables = container.Env.ToDictionary(static variable => variable.Name);
            Assert.Equal("metadata.name", variables["PEFT_SILO_NAME"].ValueFrom.FieldRef.FieldPath);
            Assert.Equal("status.podIP", variables["PEFT_SILO_HOST"].ValueFrom.FieldRef.FieldPath);
            foreach (var variable in variables.Keys) Assert.Contains($"`{variable}`", page, StringComparison.Ordinal);
            foreach (var (port, variable) in new Dictionary<string, string>
            {
                ["silo"] = "PEFT_SILO_SILO_PORT",
                ["data"] = "PEFT_SILO_DATA_PORT",
                ["gateway"] = "PEFT_SILO_GATEWAY_PORT",
                ["http"] = "PEFT_SILO_HTTP_PORT",
            })
                Assert.Equal($"{container.Ports.Single(item => item.Name == port).ContainerPort}", settings.Data[variable]);
        }
    });

    [Fact]
    public Task Pods_write_only_where_a_volume_is_and_hold_secrets_only_by_reference() => ForAll(static (objects, pods) =>
    {
        foreach (var pod in pods)
        {
            Assert.False(pod.Spec.AutomountServiceAccountToken);
            var volumes = (pod.Spec.Volumes ?? []).Select(static volume => volume.Name).ToHashSet();
            foreach (var container in pod.Spec.Containers)
            {
                Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
                Assert.All(
                    container.VolumeMounts,
                    mount => Assert.True(volumes.Contains(mount.Name) || mount.Name == "data", mount.Name));
                Assert.DoesNotContain(
                    container.Env ?? [],
                    static variable => variable.Value is not null
                        && (variable.Name.Contains("PASSWORD", StringComparison.Ordinal)
                            || variable.Name.Contains("TOKEN", StringComparison.Ordinal)));
            }
        }

        // The one secret that lies here is the address of a Redis that asks for no password.
        var secret = objects.OfType<V1Secret>().SingleOrDefault();
        if (secret is not null) Assert.Equal("peft-redis:6379", System.Text.Encoding.UTF8.GetString(secret.Data["connection"]));
    });

    private static async Task ForAll(Action<List<object>, V1PodTemplateSpec[]> check)
    {
        foreach (var (overlay, component) in Kustomize.All)
        {
            var objects = Kustomize.Objects(await Kustomize.Text(overlay, component));
            V1PodTemplateSpec[] pods =
            [
                .. objects.OfType<V1StatefulSet>().Select(static set => set.Spec.Template),
                .. objects.OfType<V1Deployment>().Select(static deployment => deployment.Spec.Template),
            ];
            Assert.True(Silos(pods).Count() >= 2);
            try
            {
                check(objects, pods);
            }
            catch (Exception error)
            {
                throw new Xunit.Sdk.XunitException($"{overlay} with {component}: {error.Message}", error);
            }
        }
    }

    /// <summary>What all silos are told.</summary>
    private static V1ConfigMap Settings(List<object> objects) =>
        objects.OfType<V1ConfigMap>().Single(static map => map.Metadata.Name.StartsWith("peft-silo-", StringComparison.Ordinal));

    private static IEnumerable<V1PodTemplateSpec> Silos(IEnumerable<V1PodTemplateSpec> pods) =>
        pods.Where(static pod => pod.Metadata.Labels["app.kubernetes.io/name"] == "peft-silo");

    private static IEnumerable<V1Probe> Probes(V1Container container) =>
        ((V1Probe?[])[container.StartupProbe, container.ReadinessProbe, container.LivenessProbe]).OfType<V1Probe>();

    private static IEnumerable<string> PortNames(V1PodTemplateSpec pod) =>
        pod.Spec.Containers.SelectMany(static container => container.Ports ?? []).Select(static port => port.Name);

    private static bool Matches(IDictionary<string, string> selector, IDictionary<string, string> labels) =>
        selector.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value);

    private static void AssertSelects(IDictionary<string, string> selector, IDictionary<string, string> labels) =>
        Assert.True(Matches(selector, labels));
}
