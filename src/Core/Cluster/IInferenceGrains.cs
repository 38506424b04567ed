using Peft.Orleans.Core.Security;

namespace Peft.Orleans.Core.Cluster;

/// <summary>A model (with an adapter) to be seated on the cluster without training.</summary>
/// <param name="ModelPath">Hugging Face folder.</param>
/// <param name="AdapterPath">Adapter folder (ours or PEFT's) or null.</param>
/// <param name="Dtype">How weights are held; null: as stored.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ModelRequest")]
public sealed record ModelRequest(string ModelPath, string? AdapterPath, Runs.WeightType? Dtype);

/// <summary>Drives the shards of one seated model for text generation; key: a session id chosen by the caller.</summary>
[Alias("Peft.Orleans.IGenerationGrain")]
public interface IGenerationGrain : IGrainWithStringKey
{
    /// <summary>Seats the model over all silos; idempotent.</summary>
    [AllowedTo(Role.Operator), Alias("Open"), ResponseTimeout("00:30:00")]
    Task Open(ModelRequest model);

    /// <summary>Generates after each prompt; results in order.</summary>
    [AllowedTo(Role.Operator), Alias("Generate"), ResponseTimeout("1.00:00:00")]
    Task<IReadOnlyList<GenerationResult>> Generate(GenerationRequest request);

    /// <summary>Frees the seats.</summary>
    [AllowedTo(Role.Operator), Alias("Close")]
    Task Close();
}

/// <summary>Drives the shards of one seated model for log-likelihoods; key: a session id chosen by the caller.</summary>
[Alias("Peft.Orleans.IEvaluationGrain")]
public interface IEvaluationGrain : IGrainWithStringKey
{
    /// <summary>Seats the model over all silos; idempotent.</summary>
    [AllowedTo(Role.Operator), Alias("Open"), ResponseTimeout("00:30:00")]
    Task Open(ModelRequest model);

    /// <summary>Scores each item; results in order.</summary>
    [AllowedTo(Role.Operator), Alias("Score"), ResponseTimeout("1.00:00:00")]
    Task<IReadOnlyList<ScoreResult>> Score(IReadOnlyList<ScoreItem> items);

    /// <summary>Frees the seats.</summary>
    [AllowedTo(Role.Operator), Alias("Close")]
    Task Close();
}

/// <summary>Merges and exports models; key: any. Needs libtorch, hence lives in a silo.</summary>
[Alias("Peft.Orleans.IExportGrain")]
public interface IExportGrain : IGrainWithStringKey
{
    /// <summary>Writes the export and returns a line for a person about what was written.</summary>
    [AllowedTo(Role.Operator), Alias("Export"), ResponseTimeout("1.00:00:00")]
    Task<string> Export(ExportRequest request);
}

/// <summary>Prompts and how to continue them.</summary>
/// <param name="Prompts">Token ids of each prompt.</param>
/// <param name="MaxNewTokens">Largest number of new tokens.</param>
/// <param name="StopTokens">Ids that end a text (the stop token is part of the result).</param>
/// <param name="Temperature">0: greedy.</param>
/// <param name="TopP">Nucleus sampling threshold, 1: off.</param>
/// <param name="Seed">Seed of the sampling.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.GenerationRequest")]
public sealed record GenerationRequest(int[][] Prompts, int MaxNewTokens, int[] StopTokens, double Temperature, double TopP, long Seed);

/// <summary>A generated continuation.</summary>
/// <param name="Ids">New token ids, the stop token included.</param>
/// <param name="Stopped">Whether a stop token ended it.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.GenerationResult")]
public sealed record GenerationResult(int[] Ids, bool Stopped);

/// <summary>A sequence with unshifted labels (−100 masked).</summary>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ScoreItem")]
public sealed record ScoreItem(int[] InputIds, int[] Labels);

/// <summary>Its score.</summary>
/// <param name="LogLikelihood">Sum of natural logarithms over the targets.</param>
/// <param name="Tokens">Number of targets.</param>
/// <param name="IsGreedy">Whether every target was the most likely token.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ScoreResult")]
public sealed record ScoreResult(double LogLikelihood, int Tokens, bool IsGreedy);

/// <summary>What to export; paths are the silos'. On its own machine a client does copies itself.</summary>
/// <param name="AdapterPath">Adapter folder (ours or PEFT's), or the model folder of method full.</param>
/// <param name="BasePath">Base model folder; null: the one the adapter names.</param>
/// <param name="ToPath">Target folder.</param>
/// <param name="Kind"><c>adapter</c>, <c>lora</c> or <c>merged</c>.</param>
/// <param name="Rank">Rank for <c>lora</c> by truncated SVD.</param>
/// <param name="Dtype">Type of merged weights; null: as the base.</param>
[GenerateSerializer, Immutable]
[Alias("Peft.Orleans.ExportRequest")]
public sealed record ExportRequest(string AdapterPath, string? BasePath, string ToPath, string Kind, int? Rank, Runs.WeightType? Dtype);
