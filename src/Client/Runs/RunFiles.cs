namespace Peft.Orleans.Client.Runs;

/// <summary>Names of the files in a run's folder.</summary>
internal static class RunFiles
{
    public const string RunYaml = "run.yaml";
    public const string Metrics = "metrics.jsonl";
    public const string Events = "events.jsonl";
    public const string Status = "status.json";
    public const string Logs = "logs";
    public const string ClientLog = "client.log";
    public const string Adapter = "adapter";
    public const string Model = "model";
}
