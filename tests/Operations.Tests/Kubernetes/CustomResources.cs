using k8s;
using k8s.Models;

namespace Peft.Orleans.Operations.Tests.Kubernetes;

// What of other projects' resources our manifests use; a property that is not here is refused, as by the cluster.

/// <summary>A resource of another project.</summary>
public abstract class CustomResource<T> : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public T Spec { get; set; } = default!;
}

/// <summary>Of Prometheus' operator.</summary>
public sealed class PodMonitor : CustomResource<PodMonitor.Content>
{
    public sealed class Content
    {
        public V1LabelSelector Selector { get; set; } = new();

        public List<Endpoint> PodMetricsEndpoints { get; set; } = [];

        public List<string> PodTargetLabels { get; set; } = [];
    }

    public sealed class Endpoint
    {
        public string Port { get; set; } = "";

        public string Path { get; set; } = "";

        public string Interval { get; set; } = "";
    }
}

/// <summary>Of Prometheus' operator.</summary>
public sealed class PrometheusRule : CustomResource<PrometheusRule.Content>
{
    public sealed class Content
    {
        public List<Group> Groups { get; set; } = [];
    }

    public sealed class Group
    {
        public string Name { get; set; } = "";

        public string? Interval { get; set; }

        public List<Rule> Rules { get; set; } = [];
    }

    public sealed class Rule
    {
        public string? Alert { get; set; }

        public string? Record { get; set; }

        public string Expr { get; set; } = "";

        public string? For { get; set; }

        public string? KeepFiringFor { get; set; }

        public Dictionary<string, string> Labels { get; set; } = [];

        public Dictionary<string, string> Annotations { get; set; } = [];
    }
}

/// <summary>Of KEDA.</summary>
public sealed class ScaledObject : CustomResource<ScaledObject.Content>
{
    public sealed class Content
    {
        public V2CrossVersionObjectReference ScaleTargetRef { get; set; } = new();

        public int MinReplicaCount { get; set; }

        public int MaxReplicaCount { get; set; }

        public int PollingInterval { get; set; }

        public int CooldownPeriod { get; set; }

        public Advanced? Advanced { get; set; }

        public List<Trigger> Triggers { get; set; } = [];
    }

    public sealed class Advanced
    {
        public Autoscaler? HorizontalPodAutoscalerConfig { get; set; }
    }

    public sealed class Autoscaler
    {
        public V2HorizontalPodAutoscalerBehavior? Behavior { get; set; }
    }

    public sealed class Trigger
    {
        public string Type { get; set; } = "";

        public Dictionary<string, string> Metadata { get; set; } = [];
    }
}

/// <summary>Of Volcano.</summary>
public sealed class PodGroup : CustomResource<PodGroup.Content>
{
    public sealed class Content
    {
        public int MinMember { get; set; }

        public string Queue { get; set; } = "";

        public string PriorityClassName { get; set; } = "";
    }
}

/// <summary>Of Kueue.</summary>
public sealed class LocalQueue : CustomResource<LocalQueue.Content>
{
    public sealed class Content
    {
        public string ClusterQueue { get; set; } = "";
    }
}
